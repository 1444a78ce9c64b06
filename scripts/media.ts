import { createHash } from 'node:crypto';
import { access, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runCommand } from './run-command.ts';

/** Needs `ffmpeg` on the PATH. Every function throws an Error with ffmpeg's words. */

export interface FilmOptions {
  /** The frames in the order they are shown; all of one size. At least one. */
  frames: readonly string[];
  fps: number;
  /** The .mp4 to write; an existing one is replaced. */
  out: string;
}

/** Joins PNG frames into an H.264 film that browsers play from its first bytes on. */
export async function assembleFilm({ frames, fps, out }: FilmOptions): Promise<void> {
  if (!(fps > 0)) throw new Error(`A film needs a positive frame rate, not ${fps}.`);
  await withSequence(frames, async (pattern) => {
    // Even sizes: yuv420p keeps one colour sample for two by two pixels.
    const evenSize = 'pad=ceil(iw/2)*2:ceil(ih/2)*2';
    await ffmpeg([
      ...['-framerate', String(fps), '-i', pattern, '-vf', evenSize],
      ...['-c:v', 'libx264', '-preset', 'medium', '-crf', '16', '-pix_fmt', 'yuv420p'],
      ...['-movflags', '+faststart', '-an', out],
    ]);
  });
}

export interface ContactSheetOptions {
  /** From left to right, then down. At least one. */
  frames: readonly string[];
  /** Pictures in a row, 1 or more. */
  columns: number;
  /** The .png or .jpg to write; an existing one is replaced. */
  out: string;
}

/** Lays all frames on one picture, in their own size, with a thin dark gap between them. */
export async function assembleContactSheet(options: ContactSheetOptions): Promise<void> {
  const { frames, columns, out } = options;
  if (!Number.isInteger(columns) || columns < 1) {
    throw new Error(`A contact sheet needs 1 column or more, not ${columns}.`);
  }
  const rows = Math.ceil(frames.length / columns);
  await withSequence(frames, async (pattern) => {
    const tile = `tile=${Math.min(columns, frames.length)}x${rows}:padding=4:margin=4:color=0x101418`;
    await ffmpeg(['-i', pattern, '-vf', tile, '-frames:v', '1', '-update', '1', out]);
  });
}

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

/**
 * Calls `work` with an ffmpeg pattern that yields the files in order. Links with plain names stand
 * for them, so no file name can be taken for a pattern or an option.
 */
async function withSequence(
  files: readonly string[],
  work: (pattern: string) => Promise<void>,
): Promise<void> {
  if (files.length === 0) throw new Error('There are no frames to assemble.');
  const dir = await mkdtemp(path.join(tmpdir(), 'karst-frames-'));
  try {
    for (const [index, file] of files.entries()) {
      const name = `${String(index).padStart(8, '0')}${path.extname(file)}`;
      await symlink(path.resolve(file), path.join(dir, name));
    }
    await work(path.join(dir, `%08d${path.extname(files[0] ?? '')}`));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
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
