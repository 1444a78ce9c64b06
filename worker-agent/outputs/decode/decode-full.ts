import { spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import { extname } from 'node:path';
import type { Fault } from './file-bytes.ts';

const pictures = new Set([
  '.png',
  '.jpg',
  '.jpeg',
  '.exr',
  '.tif',
  '.tiff',
  '.webp',
  '.bmp',
  '.dpx',
  '.tga',
]);
const movies = new Set(['.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi', '.mxf', '.gif']);

const timeLimitMs = 10 * 60_000;
const wordsMax = 400;
/** Behind all that renders. */
const lowPriority = 15;

/** The node lacks ffmpeg, so nothing can be said of the file. */
export class NoDecoderError extends Error {
  constructor() {
    super('outputs are to be decoded in full, and this node has no ffmpeg');
    this.name = 'NoDecoderError';
  }
}

/**
 * Decodes every frame of a picture or film with ffmpeg. Others are passed over. Throws NoDecoderError;
 * rejects with the signal's reason when it ends first.
 */
export async function checkPixels(
  path: string,
  searchPath: string,
  signal: AbortSignal,
): Promise<Fault> {
  const extension = extname(path).toLowerCase();
  const isPicture = pictures.has(extension);
  if (!isPicture && !movies.has(extension)) return undefined;
  // A picture's name is no pattern of numbers, a film's no protocol.
  const input = isPicture
    ? ['-f', 'image2', '-pattern_type', 'none', '-i', path]
    : ['-i', `file:${path}`];
  // TIFF readers take tags that they don't know for errors.
  const strict = extension.startsWith('.tif') ? [] : ['-err_detect', 'explode'];
  const args = ['-nostdin', '-hide_banner', '-v', 'error', '-xerror', ...strict, ...input];
  return await new Promise((resolve, reject) => {
    const child = spawn('ffmpeg', [...args, '-f', 'null', '-'], {
      env: { PATH: searchPath, HOME: '/nonexistent', LANG: 'C.UTF-8' },
      stdio: ['ignore', 'ignore', 'pipe'],
      killSignal: 'SIGKILL',
      timeout: timeLimitMs,
      signal,
    });
    if (child.pid !== undefined) lower(child.pid);
    let words = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (words.length < wordsMax) words += text;
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'ENOENT' ? new NoDecoderError() : error);
    });
    child.on('close', (code, ended) => {
      if (code === 0) resolve(undefined);
      else if (ended !== null) resolve(`was not decoded in ${timeLimitMs / 1000} s (${ended})`);
      else resolve(`can't be decoded: ${plain(words) || `ffmpeg exited with code ${code}`}`);
    });
  });
}

/** ffmpeg's words without the addresses of its parts, each line once. */
function plain(words: string): string {
  const lines = words
    .split('\n')
    .map((line) => line.replace(/^\[[^\]]* @ 0x[0-9a-f]+\] */, '').trim());
  return [...new Set(lines)]
    .filter((line) => line !== '')
    .slice(0, 3)
    .join('; ')
    .slice(0, wordsMax);
}

/** It may have ended already. */
function lower(pid: number): void {
  try {
    setPriority(pid, lowPriority);
  } catch {
    return;
  }
}
