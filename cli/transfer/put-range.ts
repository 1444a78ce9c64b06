import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Random } from '@karst/shared/random.ts';
import { readText } from '../api/http.ts';
import { giveChunkBuffer, takeChunkBuffer } from './chunk-buffers.ts';
import { FileChangedError } from './file-stamp.ts';
import { type FileRange, readRange, readStart } from './hash-file.ts';
import type { HashedFile } from './hash-inputs.ts';
import { storageRequest } from './storage-request.ts';

/** Bytes of a file, and where they go. */
export interface RangePut extends FileRange {
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
    return content();
  };
  async function* content() {
    const sha256 = isWhole ? createHash('sha256') : undefined;
    for await (const chunk of readRange(handle, file.absolutePath, put)) {
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

/** Reads a file of CHUNK_BYTES at most, makes sure that it is what was hashed, and PUTs it. */
export async function putSmall(
  file: HashedFile,
  put: Omit<RangePut, keyof FileRange>,
  work: PutWork,
): Promise<void> {
  const { sizeBytes: length } = file;
  const buffer = takeChunkBuffer();
  const content = buffer.subarray(0, length);
  await readStart(file.absolutePath, content);
  if (createHash('sha256').update(content).digest('hex') !== file.sha256) {
    throw new FileChangedError(file.absolutePath);
  }
  await sendPut(file, { ...put, start: 0, length }, () => content, work);
  giveChunkBuffer(buffer);
  work.onBytes(length);
}

const sendPut = (
  file: HashedFile,
  put: RangePut,
  body: () => Buffer | AsyncIterable<Buffer>,
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
