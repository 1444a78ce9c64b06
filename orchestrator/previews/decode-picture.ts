import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { exrShortfall } from './exr-extent.ts';
import type { PictureFacts } from './picture-facts.ts';
import { judgePixels, PixelCounts, type RawFormat } from './pixel-counts.ts';
import { DecoderError, ffmpegArgs, runDecoder } from './run-decoder.ts';

export interface DecodeSettings {
  /** Where ffmpeg, ffprobe and oiiotool are found. */
  searchPath: string;
  timeoutMs: number;
  /** Larger pictures are left alone: pixels, and bytes of the file. */
  pixelsMax: number;
  bytesMax: number;
  /** EXR is tone mapped by oiiotool. */
  hasOiiotool: boolean;
}

export const THUMBNAIL = 'thumbnail.jpg';
export const FILM_FRAME = 'film.jpg';
const MAPPED = 'mapped.png';

const within = (width: number, height: number) =>
  `scale=w='min(${width},iw)':h='min(${height},ih)':force_original_aspect_ratio=decrease:force_divisible_by=1`;
const previews = [
  '-map',
  '0:v:0',
  '-frames:v',
  '1',
  '-update',
  '1',
  '-f',
  'image2',
  '-c:v',
  'mjpeg',
];
const previewOutputs = [
  ...[...previews, '-vf', `${within(256, 256)},format=yuvj420p`, '-q:v', '4', THUMBNAIL],
  ...[...previews, '-vf', `${within(1280, 720)},format=yuvj420p`, '-q:v', '2', FILM_FRAME],
];

/** By `-max_pixels`, or by a bound of the decoder's own: looked at before anything is decoded. */
const TOO_LARGE = /max pixel count|invalid image size|picture size \d+x\d+/i;
/** Kinds of pictures that are whole, as far as we know, but not for ffmpeg. */
const UNSUPPORTED = /not (?:yet )?(?:implemented|supported)|unsupported|missing \w+ channel/i;

/**
 * Decodes a picture whole: what its values are, and (beside it, in its folder) a thumbnail of at most
 * 256 pixels and a frame for the film, both JPEG. What is wrong with it is told, not thrown; throws
 * where ffmpeg can't be run.
 */
export async function decodePicture(file: string, settings: DecodeSettings): Promise<PictureFacts> {
  const undecodable = (detail: string): PictureFacts => ({
    hasPreview: false,
    problem: { reason: 'undecodable', detail },
  });
  try {
    const shortfall = await shortfallOf(file);
    if (shortfall !== undefined) return undecodable(shortfall);
    const { width, height, pix_fmt } = await probe(file, settings);
    const size = { width, height };
    const { problem, hasPreview } = await decodeAll(file, size, pix_fmt, settings);
    return { ...size, hasPreview, ...(problem === undefined ? {} : { problem }) };
  } catch (error) {
    if (!(error instanceof DecoderError)) throw error;
    if (TOO_LARGE.test(error.message)) {
      return { hasPreview: false, note: `more than ${settings.pixelsMax} pixels` };
    }
    if (UNSUPPORTED.test(error.message)) return { hasPreview: false, note: error.message };
    return undecodable(error.message);
  }
}

async function shortfallOf(file: string): Promise<string | undefined> {
  const { size } = await stat(file);
  if (size === 0) return 'is empty';
  if (path.extname(file) !== '.exr') return undefined;
  const handle = await open(file);
  try {
    return await exrShortfall(handle, size);
  } finally {
    await handle.close();
  }
}

const probed = z.object({
  streams: z
    .array(z.object({ width: z.int().min(1), height: z.int().min(1), pix_fmt: z.string() }))
    .min(1),
});
type Probed = z.infer<typeof probed>['streams'][number];

/** A picture's name is no pattern of numbers, and its kind is what its name says. */
const input = (file: string) => ['-f', 'image2', '-pattern_type', 'none', '-i', `file:${file}`];

async function probe(file: string, settings: DecodeSettings): Promise<Probed> {
  const limits = ['-protocol_whitelist', 'file', '-max_pixels', String(settings.pixelsMax)];
  const shown = ['-show_entries', 'stream=width,height,pix_fmt', '-of', 'json'];
  let text = '';
  const words = await runDecoder({
    program: 'ffprobe',
    args: ['-v', 'error', ...limits, ...shown, ...input(file)],
    searchPath: settings.searchPath,
    timeoutMs: settings.timeoutMs,
    onOutput: (chunk) => {
      text += chunk.toString('utf8');
    },
  });
  const parsed = probed.safeParse(JSON.parse(text));
  const [stream] = parsed.data?.streams ?? [];
  if (stream === undefined) {
    const known = TOO_LARGE.exec(words)?.[0];
    throw new DecoderError(known ?? 'is no picture of the kind its name says');
  }
  return stream;
}

const FLOATS: Readonly<Record<string, number>> = { grayf32le: 1, gbrpf32le: 3, gbrapf32le: 4 };

/** As it is where it is float: NaN would not survive a conversion. */
function rawFormat(pixelFormat: string): {
  raw: RawFormat;
  name: string;
  alpha: number | undefined;
} {
  const channels = FLOATS[pixelFormat];
  if (channels === undefined) {
    return { raw: { kind: 'word', channels: 4 }, name: 'rgba64le', alpha: 3 };
  }
  return {
    raw: { kind: 'float', channels },
    name: pixelFormat,
    alpha: channels === 4 ? 3 : undefined,
  };
}

interface Size {
  width: number;
  height: number;
}

/** In one decoding, where values and previews can come from the same. */
async function decodeAll(
  file: string,
  size: Size,
  pixelFormat: string,
  settings: DecodeSettings,
): Promise<Pick<PictureFacts, 'problem' | 'hasPreview'>> {
  const isLinear = FLOATS[pixelFormat] !== undefined && path.extname(file) === '.exr';
  if (!isLinear) {
    try {
      const problem = await lookAtPixels(file, size, pixelFormat, settings, previewOutputs);
      return { problem, hasPreview: true };
    } catch (error) {
      if (!(error instanceof DecoderError)) throw error;
      // Perhaps only the previews can't be made: of a single line, say.
    }
  }
  const problem = await lookAtPixels(file, size, pixelFormat, settings, []);
  return { problem, hasPreview: isLinear && (await makeLinearPreviews(file, settings)) };
}

async function lookAtPixels(
  file: string,
  { width, height }: Size,
  pixelFormat: string,
  { searchPath, timeoutMs, pixelsMax }: DecodeSettings,
  besides: readonly string[],
): Promise<PictureFacts['problem']> {
  const { raw, name, alpha } = rawFormat(pixelFormat);
  const counts = new PixelCounts(raw, width * height);
  // TIFF readers take tags that they don't know for errors.
  const strict = path.extname(file).startsWith('.tif') ? [] : ['-err_detect', 'explode'];
  const reading = ['-xerror', ...strict, '-max_pixels', String(pixelsMax), ...input(file)];
  const writing = ['-map', '0:v:0', '-frames:v', '1', '-pix_fmt', name, '-f', 'rawvideo', 'pipe:1'];
  await runDecoder({
    program: 'ffmpeg',
    args: ffmpegArgs(...reading, ...writing, ...besides),
    searchPath,
    timeoutMs,
    onOutput: (chunk) => counts.add(chunk),
    cwd: path.dirname(file),
  });
  const facts = counts.facts();
  if (facts === undefined) throw new DecoderError('is cut off: not all of its pixels are there');
  return judgePixels(facts, alpha);
}

/** False where they can't be made. */
async function makeLinearPreviews(file: string, settings: DecodeSettings): Promise<boolean> {
  const scale = async (...reading: string[]) =>
    await runDecoder({
      program: 'ffmpeg',
      args: ffmpegArgs('-max_pixels', String(settings.pixelsMax), ...reading, ...previewOutputs),
      searchPath: settings.searchPath,
      timeoutMs: settings.timeoutMs,
      cwd: path.dirname(file),
    });
  try {
    if (await toneMap(file, settings)) {
      await scale(...input(path.join(path.dirname(file), MAPPED)));
    } else await scale('-apply_trc', 'iec61966_2_1', ...input(file));
    return true;
  } catch (error) {
    if (error instanceof DecoderError) return false;
    throw error;
  }
}

/**
 * Scene-linear to display: Reinhard's curve with white at 4, then sRGB. False where oiiotool is not here
 * or does not take the picture, whose lights are then cut at 1.
 */
async function toneMap(file: string, settings: DecodeSettings): Promise<boolean> {
  if (!settings.hasOiiotool) return false;
  const curve = ['--label', 'A', '--mulc', '0.0625', '--addc', '1', 'A', '--mul'];
  const clean = ['--ch', 'R,G,B', '--fixnan', 'black', '--maxc', '0'];
  const shown = ['--colorconvert', 'linear', 'sRGB', '-d', 'uint8', '-o', MAPPED];
  try {
    await runDecoder({
      program: 'oiiotool',
      args: ['--threads', '2', file, ...clean, ...curve, 'A', '--addc', '1', '--div', ...shown],
      searchPath: settings.searchPath,
      timeoutMs: settings.timeoutMs,
      cwd: path.dirname(file),
    });
    return true;
  } catch (error) {
    if (error instanceof DecoderError) return false;
    throw error;
  }
}
