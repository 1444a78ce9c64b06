import { spawn } from 'node:child_process';
import { setPriority } from 'node:os';

/** A decoder that says no, took too long, or wrote too much. `message` is for people. */
export class DecoderError extends Error {
  override name = 'DecoderError';
}

export interface DecoderRun {
  program: 'ffmpeg' | 'ffprobe' | 'oiiotool';
  args: readonly string[];
  /** Where programs are found. */
  searchPath: string;
  timeoutMs: number;
  input?: Buffer;
  /** Called with all that is written to stdout, as it comes. */
  onOutput?: (chunk: Buffer) => void;
  cwd?: string;
}

const WORDS_MAX = 2000;
/** Behind all that renders, serves and stores. */
const LOW_PRIORITY = 10;

/**
 * Runs a decoder on local files, by argument list; answers what it said. Throws DecoderError; any other
 * Error means that it could not be run.
 */
export async function runDecoder(run: DecoderRun): Promise<string> {
  return await new Promise<string>((resolve, reject) => {
    const child = spawn(run.program, run.args, {
      cwd: run.cwd,
      env: { PATH: run.searchPath, HOME: '/nonexistent', LANG: 'C.UTF-8' },
      stdio: ['pipe', 'pipe', 'pipe'],
      killSignal: 'SIGKILL',
      timeout: run.timeoutMs,
    });
    if (child.pid !== undefined) lower(child.pid);
    let words = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (words.length < WORDS_MAX) words += text;
    });
    child.stdout.on('data', (chunk: Buffer) => run.onOutput?.(chunk));
    // One that ends early does not read to the end.
    child.stdin.on('error', () => undefined);
    child.stdin.end(run.input);
    child.on('error', (error) =>
      reject(new Error(`${run.program} can't be run: ${error.message}`)),
    );
    child.on('close', (code, signal) => {
      if (code === 0) resolve(words);
      else if (signal !== null) {
        reject(new DecoderError(`was not decoded within ${run.timeoutMs / 1000} s (${signal})`));
      } else reject(new DecoderError(plain(words) || `${run.program} exited with code ${code}`));
    });
  });
}

/** Arguments that every ffmpeg gets: files and pipes only, no more pixels than asked for. */
export const ffmpegArgs = (...args: readonly string[]): string[] => [
  ...['-nostdin', '-hide_banner', '-v', 'error', '-y', '-protocol_whitelist', 'file,pipe'],
  ...args,
];

/** The decoder's words without addresses of its parts and places of files, each line once. */
function plain(words: string): string {
  const lines = words
    .split('\n')
    .map((line) => line.replace(/^\[[^\]]*\] */, '').trim())
    .map((line) => line.replace(/(?:file:)?\/\S*\//g, ''));
  return [...new Set(lines)]
    .filter((line) => line !== '')
    .slice(0, 2)
    .join('; ')
    .slice(0, 300);
}

/** It may have ended already. */
function lower(pid: number): void {
  try {
    setPriority(pid, LOW_PRIORITY);
  } catch {
    return;
  }
}
