import { spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import type { DecodeOptions } from './decode-full.ts';

/** What came of a program that reads a whole file. */
export interface Decoded {
  /** null: a signal ended it. */
  code: number | null;
  /** What it said of errors, in a few words. */
  words: string;
  /** It was given this long, seconds, and was killed. */
  timedOut?: number;
}

const timeLimitMs = 10 * 60_000;
const wordsMax = 400;
/** Behind all that renders. */
const lowPriority = 15;

/**
 * Runs a decoder at low priority, with nothing to read or write but the file. Undefined: there is no
 * such program. Rejects as spawn does.
 */
export function runDecoder(
  program: string,
  args: readonly string[],
  { searchPath, ended }: DecodeOptions,
): Promise<Decoded | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { PATH: searchPath, HOME: '/nonexistent', LANG: 'C.UTF-8' },
      stdio: ['ignore', 'ignore', 'pipe'],
      killSignal: 'SIGKILL',
      timeout: timeLimitMs,
      signal: ended,
    });
    if (child.pid !== undefined) lower(child.pid);
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < 10 * wordsMax) said += text;
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') resolve(undefined);
      else reject(error);
    });
    child.on('close', (code, signal) => {
      const late = child.killed && signal === 'SIGKILL' && !ended.aborted;
      resolve({ code, words: plain(said), ...(late ? { timedOut: timeLimitMs / 1000 } : {}) });
    });
  });
}

/** Without addresses of ffmpeg's parts, names of oiiotool's and its command line; each line once. */
function plain(said: string): string {
  const lines = said
    .split('\n')
    .map((line) => line.replace(/^\[[^\]]* @ 0x[0-9a-f]+\] */, ''))
    .map((line) => line.replace(/^oiiotool ERROR: [^:]*: /, '').trim())
    .filter(
      (line) => line !== '' && !line.startsWith('Full command line was') && !/^> /.test(line),
    );
  return [...new Set(lines)].slice(0, 3).join('; ').slice(0, wordsMax);
}

/** It may have ended already. */
function lower(pid: number): void {
  try {
    setPriority(pid, lowPriority);
  } catch {
    return;
  }
}
