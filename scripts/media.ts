import { createHash } from 'node:crypto';
import { access } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from './run-command.ts';

/** Needs `ffmpeg` on the PATH. Every function throws an Error with ffmpeg's words. */

export interface FrameFacts {
  path: string;
  /** Pixels. */
  width: number;
  height: number;
  /** Mean brightness of all pixels, 0 (black) to 255 (white). */
  meanLuma: number;
  /** MD5 of the decoded RGB pixels, hexadecimal: equal only for equal pictures. */
  md5: string;
}

/** Decodes every picture whole. A file that is not a picture, or a cut-off one, is an error. */
export async function inspectFrames(files: readonly string[]): Promise<FrameFacts[]> {
  const facts: FrameFacts[] = [];
  for (const file of files) facts.push(await inspectFrame(file));
  return facts;
}

async function inspectFrame(file: string): Promise<FrameFacts> {
  await access(file);
  // No pattern: otherwise a % in the name would be read as one.
  const input = ['-f', 'image2', '-pattern_type', 'none', '-i', localFile(file)];
  const args = ['-xerror', ...input, '-frames:v', '1', '-pix_fmt', 'rgb24'];
  const picture = await ffmpeg([...args, '-f', 'image2pipe', '-c:v', 'ppm', 'pipe:1']).catch(
    (cause: unknown) => {
      throw new Error(`${file} is not a whole picture: ${messageOf(cause)}`, { cause });
    },
  );
  // PPM: "P6\nWIDTH HEIGHT\n255\n", then three bytes a pixel.
  const [header, columns, rows] =
    /^P6\s(\d+)\s(\d+)\s255\s/.exec(picture.toString('latin1', 0, 64)) ?? [];
  const width = Number(columns);
  const height = Number(rows);
  const pixels = picture.subarray(header?.length ?? 0);
  if (header === undefined || pixels.length !== width * height * 3) {
    throw new Error(`${file} does not decode to a whole picture (${picture.length} bytes).`);
  }
  const md5 = createHash('md5').update(pixels).digest('hex');
  return { path: file, width, height, meanLuma: meanLuma(pixels), md5 };
}

/** Rec. 709 weights, on the pixels as stored. */
function meanLuma(rgb: Buffer): number {
  let sum = 0;
  for (let i = 0; i + 2 < rgb.length; i += 3) {
    sum +=
      0.2126 * rgb.readUInt8(i) + 0.7152 * rgb.readUInt8(i + 1) + 0.0722 * rgb.readUInt8(i + 2);
  }
  return sum / (rgb.length / 3);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An absolute path with the protocol named: ffmpeg would read `a:b.png` as a URL. */
function localFile(file: string): string {
  return `file:${path.resolve(file)}`;
}

async function ffmpeg(args: readonly string[]): Promise<Buffer> {
  const result = await runCommand('ffmpeg', ['-nostdin', '-y', '-v', 'error', ...args]);
  if (result.code !== 0) throw new Error(`ffmpeg failed: ${result.stderr.trim()}`);
  return result.stdout;
}
