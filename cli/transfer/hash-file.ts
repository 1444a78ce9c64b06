import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { MULTIPART_THRESHOLD_BYTES, partSizeBytes } from '@karst/shared/protocol/files.ts';
import { CliError, errnoCode } from '../failure.ts';
import { FileChangedError, type FileStamp, readStamp, sameStamp } from './file-stamp.ts';

/** What a file held when it was read. */
export interface HashedFile {
  absolutePath: string;
  sha256: string;
  sizeBytes: number;
  /** Base64 MD5 of each part, for files that travel in parts. */
  partMd5: string[] | undefined;
  stamp: FileStamp;
}

const CHUNK_BYTES = 1024 * 1024;

/**
 * Reads a file once, in flat memory: its SHA-256, and the MD5 of each part when it is to be uploaded
 * in parts. `onBytes` is told as reading goes on.
 */
export async function hashFile(
  absolutePath: string,
  options: { signal?: AbortSignal; onBytes?: (bytes: number) => void } = {},
): Promise<HashedFile> {
  const handle = await openForReading(absolutePath);
  try {
    const stamp = await readStamp(handle);
    const sha256 = createHash('sha256');
    const parts =
      stamp.sizeBytes > MULTIPART_THRESHOLD_BYTES ? new PartHashes(stamp.sizeBytes) : undefined;
    const range = { start: 0, length: stamp.sizeBytes };
    for await (const chunk of readRange(handle, absolutePath, range)) {
      options.signal?.throwIfAborted();
      sha256.update(chunk);
      parts?.update(chunk);
      options.onBytes?.(chunk.length);
    }
    if (!sameStamp(stamp, await readStamp(handle))) throw new FileChangedError(absolutePath);
    return {
      absolutePath,
      sha256: sha256.digest('hex'),
      sizeBytes: stamp.sizeBytes,
      partMd5: parts?.finish(),
      stamp,
    };
  } finally {
    await handle.close();
  }
}

export async function openForReading(absolutePath: string): Promise<FileHandle> {
  try {
    return await open(absolutePath, 'r');
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') throw new CliError(`${absolutePath} does not exist.`);
    throw new CliError(`${absolutePath} can't be read (${errnoCode(error)}).`, { cause: error });
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
        throw new CliError(`${absolutePath} can't be read (${errnoCode(error)}).`, {
          cause: error,
        });
      });
    if (bytesRead === 0) throw new FileChangedError(absolutePath);
    yield buffer.subarray(0, bytesRead);
    if (range.freshChunks) buffer = Buffer.allocUnsafe(sizeBytes);
    position += bytesRead;
  }
}

/** MD5 over consecutive parts of the size that the upload will use. */
class PartHashes {
  readonly #partBytes: number;
  readonly #done: string[] = [];
  #current: Hash = createHash('md5');
  #currentBytes = 0;

  constructor(sizeBytes: number) {
    this.#partBytes = partSizeBytes(sizeBytes);
  }

  update(chunk: Buffer): void {
    for (let offset = 0; offset < chunk.length; ) {
      const room = this.#partBytes - this.#currentBytes;
      const piece = chunk.subarray(offset, offset + room);
      this.#current.update(piece);
      this.#currentBytes += piece.length;
      offset += piece.length;
      if (this.#currentBytes === this.#partBytes) this.#close();
    }
  }

  finish(): string[] {
    if (this.#currentBytes > 0) this.#close();
    return this.#done;
  }

  #close(): void {
    this.#done.push(this.#current.digest('base64'));
    this.#current = createHash('md5');
    this.#currentBytes = 0;
  }
}
