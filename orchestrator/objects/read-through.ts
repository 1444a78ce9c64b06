import type { ReadOperations } from './reading.ts';

const TRIES_MAX = 4;

/**
 * An object's bytes, all `sizeBytes` of them: a connection that breaks is taken up at the byte where
 * it broke, three times in a row at most. Throws what the last try failed with, and for an object
 * that is gone or shorter. `first`: an opened answer to begin with.
 */
export async function* readThrough(
  objects: Pick<ReadOperations, 'getStream'>,
  { key, sizeBytes }: { key: string; sizeBytes: number },
  signal: AbortSignal,
  first?: ReturnType<ReadOperations['getStream']>,
): AsyncGenerator<Buffer> {
  let at = 0;
  let opened = first;
  for (let failures = 0; ; ) {
    const before = at;
    try {
      const range = at === 0 ? undefined : { start: at };
      const body = await (opened ?? objects.getStream(key, range, signal));
      if (body === undefined) throw new GoneError(`${key} is gone from storage`);
      for await (const chunk of body.stream) {
        const bytes: Buffer = chunk;
        at += bytes.length;
        yield bytes;
      }
      if (at >= sizeBytes) return;
      throw new Error(`${key} ended after ${at} bytes, expected ${sizeBytes}`);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof GoneError) throw error;
      failures = at > before ? 1 : failures + 1;
      if (failures >= TRIES_MAX) throw error;
    }
    opened = undefined;
  }
}

class GoneError extends Error {}
