import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { errnoCode } from '../failure.ts';
import { FileChangedError, readStamp, sameStamp, unreadable } from './file-stamp.ts';

const CHUNK_BYTES = 512 * 1024;

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

/**
 * Exactly `length` bytes from `start`, in chunks that are overwritten by the next: use each before
 * asking for more. A file that has become shorter is a FileChangedError.
 */
export async function* readRange(
  handle: FileHandle,
  absolutePath: string,
  range: { start: number; length: number; freshChunks?: boolean },
): AsyncGenerator<Buffer> {
  const sizeBytes = Math.min(CHUNK_BYTES, range.length);
  let buffer = Buffer.allocUnsafe(sizeBytes);
  let position = range.start;
  const end = range.start + range.length;
  while (position < end) {
    const { bytesRead } = await handle
      .read(buffer, 0, Math.min(buffer.length, end - position), position)
      .catch((error: unknown) => {
        throw unreadable(absolutePath, errnoCode(error), error);
      });
    if (bytesRead === 0) throw new FileChangedError(absolutePath);
    yield buffer.subarray(0, bytesRead);
    if (range.freshChunks) buffer = Buffer.allocUnsafe(sizeBytes);
    position += bytesRead;
  }
}
