import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { errnoCode } from '../failure.ts';
import { giveChunkBuffer, takeChunkBuffer } from './chunk-buffers.ts';
import { FileChangedError, readStamp, sameStamp, unreadable } from './file-stamp.ts';

/** Reads a file once, in flat memory. Throws CliError, FileChangedError. */
export async function hashFile(
  absolutePath: string,
  options: { signal?: AbortSignal } = {},
): Promise<{ sha256: string; sizeBytes: number }> {
  const handle = await openForReading(absolutePath);
  try {
    const stamp = await readStamp(handle);
    const sha256 = createHash('sha256');
    const range = { start: 0, length: stamp.sizeBytes };
    for await (const chunk of readRange(handle, absolutePath, range)) {
      options.signal?.throwIfAborted();
      sha256.update(chunk);
    }
    if (!sameStamp(stamp, await readStamp(handle))) {
      throw new FileChangedError(absolutePath, 'read');
    }
    return { sha256: sha256.digest('hex'), sizeBytes: stamp.sizeBytes };
  } finally {
    await handle.close();
  }
}

export async function openForReading(absolutePath: string): Promise<FileHandle> {
  try {
    return await open(absolutePath, 'r');
  } catch (error) {
    throw unreadable(absolutePath, errnoCode(error), error);
  }
}

/** Bytes of a file. */
export interface FileRange {
  start: number;
  length: number;
}

/**
 * Exactly `length` bytes from `start`, in chunks that are overwritten later: use each before asking for
 * the next, which is being read meanwhile. A file that has become shorter is a FileChangedError.
 */
export async function* readRange(
  handle: FileHandle,
  absolutePath: string,
  { start, length }: FileRange,
): AsyncGenerator<Buffer> {
  const buffers = [takeChunkBuffer(), takeChunkBuffer()] as const;
  let [into, other] = buffers;
  const readAt = async (done: number) => {
    if (done >= length) return undefined;
    const wanted = into.subarray(0, Math.min(into.length, length - done));
    const bytesRead = await readSome(handle, absolutePath, wanted, start + done);
    return { chunk: wanted.subarray(0, bytesRead), end: done + bytesRead };
  };
  let reading = readAt(0);
  for (let read = await reading; read !== undefined; read = await reading) {
    [into, other] = [other, into];
    reading = readAt(read.end);
    // Whoever stops asking does not hear of it.
    reading.catch(() => undefined);
    yield read.chunk;
  }
  for (const buffer of buffers) giveChunkBuffer(buffer);
}

/** Fills `into` from a file's start. Throws CliError, FileChangedError. */
export async function readStart(absolutePath: string, into: Buffer): Promise<void> {
  const handle = await openForReading(absolutePath);
  try {
    for (let done = 0; done < into.length; ) {
      done += await readSome(handle, absolutePath, into.subarray(done), done);
    }
  } finally {
    await handle.close();
  }
}

async function readSome(handle: FileHandle, file: string, into: Buffer, at: number) {
  const { bytesRead } = await handle.read(into, 0, into.length, at).catch((error: unknown) => {
    throw unreadable(file, errnoCode(error), error);
  });
  if (bytesRead === 0) throw new FileChangedError(file);
  return bytesRead;
}
