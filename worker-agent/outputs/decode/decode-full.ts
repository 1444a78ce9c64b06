import { extname } from 'node:path';
import type { Fault } from './file-bytes.ts';
import { type Decoded, runDecoder } from './run-decoder.ts';

/** Formats that ffmpeg reads in part only; oiiotool knows them, and how they break. */
const oiio = new Set(['.exr', '.tif', '.tiff']);
const pictures = new Set(['.png', '.jpg', '.jpeg', '.webp', '.bmp', '.dpx', '.tga', ...oiio]);
const movies = new Set(['.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi', '.mxf', '.gif']);

/** The node can't decode the file, so nothing can be said of it. */
export class NoDecoderError extends Error {
  override name = 'NoDecoderError';
}

export interface DecodeOptions {
  /** Where programs are looked for. */
  searchPath: string;
  /** Ends what is being decoded: nobody wants the result. */
  ended: AbortSignal;
}

/**
 * Decodes every frame of a picture or film: with ffmpeg, EXR and TIFF with oiiotool where it is there.
 * Others are passed over. Throws NoDecoderError; rejects with an AbortError when `ended` comes first.
 */
export async function checkPixels(path: string, options: DecodeOptions): Promise<Fault> {
  const extension = extname(path).toLowerCase();
  if (oiio.has(extension)) {
    const args = ['--wildcardoff', '--stats', path];
    const read = await runDecoder('oiiotool', args, options);
    if (read !== undefined) return faultOf('oiiotool', read);
  }
  if (!pictures.has(extension) && !movies.has(extension)) return undefined;
  const read = await runDecoder('ffmpeg', ffmpegArguments(path, extension), options);
  if (read === undefined) {
    throw new NoDecoderError('outputs are to be decoded in full, and this node has no ffmpeg');
  }
  if (/not supported|unsupported|not implemented/i.test(read.words)) {
    const better = oiio.has(extension) ? ' (oiiotool would read more)' : '';
    throw new NoDecoderError(
      `the ffmpeg of this node can't decode ${path}${better}: ${read.words}`,
    );
  }
  // A block of an EXR that can't be decoded is told, and yet the end is good.
  const failed = read.code !== 0 || (extension === '.exr' && read.words !== '');
  return faultOf('ffmpeg', { ...read, code: failed ? (read.code ?? 0) || 1 : 0 });
}

function ffmpegArguments(path: string, extension: string): string[] {
  // A picture's name is no pattern of numbers, a film's no protocol.
  const input = pictures.has(extension)
    ? ['-f', 'image2', '-pattern_type', 'none', '-i', path]
    : ['-i', `file:${path}`];
  // TIFF readers take tags that they don't know for errors.
  const strict = extension.startsWith('.tif') ? [] : ['-err_detect', 'explode'];
  const quiet = ['-nostdin', '-hide_banner', '-v', 'error', '-xerror'];
  return [...quiet, ...strict, ...input, '-f', 'null', '-'];
}

function faultOf(program: string, { code, words, timedOut }: Decoded): Fault {
  if (timedOut !== undefined) return `was not decoded in ${timedOut} s`;
  if (code === 0) return undefined;
  if (code === null) return `can't be decoded: ${program} was killed`;
  return `can't be decoded: ${words || `${program} exited with code ${code}`}`;
}
