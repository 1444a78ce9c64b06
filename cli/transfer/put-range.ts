import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Random } from '@karst/shared/random.ts';
import { readText } from '../api/http.ts';
import { FileChangedError } from './file-stamp.ts';
import { readRange } from './hash-file.ts';
import type { HashedFile } from './hash-inputs.ts';
import { storageRequest } from './storage-request.ts';

/** Bytes of a file, and where they go. */
export interface RangePut {
  start: number;
  length: number;
  url: string;
  headers: Record<string, string>;
}

export interface PutWork {
  random: Random;
  signal: AbortSignal;
  /** Told as bytes leave; negative when a try failed and they have to go again. */
  onBytes: (bytes: number) => void;
}

/**
 * PUTs bytes of a file, read as they leave; answers the ETag storage gave them. A whole file must be
 * what was hashed. Throws FileChangedError, StorageRefusalError, StorageUnreachableError.
 */
export async function putRange(
  handle: FileHandle,
  file: HashedFile,
  put: RangePut,
  work: PutWork,
): Promise<string> {
  const isWhole = put.length === file.sizeBytes;
  let sentBytes = 0;
  const body = () => {
    work.onBytes(-sentBytes);
    sentBytes = 0;
    return Readable.from(content(), { objectMode: false });
  };
  async function* content() {
    const sha256 = isWhole ? createHash('sha256') : undefined;
    const range = { start: put.start, length: put.length, freshChunks: true };
    for await (const chunk of readRange(handle, file.absolutePath, range)) {
      sha256?.update(chunk);
      sentBytes += chunk.length;
      work.onBytes(chunk.length);
      yield chunk;
    }
    // The stamp may miss a write; the content itself does not.
    if (sha256 !== undefined && sha256.digest('hex') !== file.sha256) {
      throw new FileChangedError(file.absolutePath);
    }
  }
  return await sendPut(file, put, body, work);
}

/** Reads a small file whole, makes sure that it is what was hashed, and PUTs it. */
export async function putSmall(
  handle: FileHandle,
  file: HashedFile,
  put: RangePut,
  work: PutWork,
): Promise<string> {
  const content = await readWhole(handle, file);
  if (createHash('sha256').update(content).digest('hex') !== file.sha256) {
    throw new FileChangedError(file.absolutePath);
  }
  const etag = await sendPut(file, put, () => content, work);
  work.onBytes(content.length);
  return etag;
}

async function readWhole(handle: FileHandle, file: HashedFile): Promise<Buffer> {
  const content = Buffer.allocUnsafe(file.sizeBytes);
  let filled = 0;
  const range = { start: 0, length: file.sizeBytes };
  for await (const chunk of readRange(handle, file.absolutePath, range)) {
    filled += chunk.copy(content, filled);
  }
  return content;
}

const sendPut = (
  file: HashedFile,
  put: RangePut,
  body: () => Readable | Buffer,
  { random, signal }: PutWork,
): Promise<string> =>
  storageRequest(
    {
      method: 'PUT',
      url: put.url,
      headers: { ...put.headers, 'Content-Length': String(put.length) },
      body,
      what: file.absolutePath,
      random,
      signal,
    },
    async (answer) => {
      await readText(answer, 65_536);
      return answer.headers.etag ?? '';
    },
  );
