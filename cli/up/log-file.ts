import { open, rename, stat } from 'node:fs/promises';
import { errnoCode } from '../failure.ts';

const LOG_BYTES_MAX = 10 * 1024 * 1024;

/** Keeps one older log beside a grown one. Call it before the log is opened. */
export async function rotateLog(file: string): Promise<void> {
  const size = await stat(file).then(
    (found) => found.size,
    (error: unknown) => {
      if (errnoCode(error) === 'ENOENT') return 0;
      throw error;
    },
  );
  if (size > LOG_BYTES_MAX) await rename(file, `${file}.1`);
}

/** The last lines of a log, for an error message. Empty when there is none. */
export async function logTail(file: string, linesMax = 15): Promise<string[]> {
  const handle = await open(file, 'r').catch((error: unknown) => {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (handle === undefined) return [];
  try {
    const { size } = await handle.stat();
    const length = Math.min(size, 16_384);
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-linesMax);
  } finally {
    await handle.close();
  }
}
