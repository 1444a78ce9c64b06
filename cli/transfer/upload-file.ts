import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Upload } from '@karst/shared/protocol/files.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { patientRetry } from '../api/backoff.ts';
import type { ApiClient } from '../api/client.ts';
import { readText } from '../api/http.ts';
import { boundedParallel } from '../bounded-parallel.ts';
import { CliError } from '../failure.ts';
import { FileChangedError, readStamp, sameStamp } from './file-stamp.ts';
import { type HashedFile, openForReading, readRange } from './hash-file.ts';
import { StorageRefusalError, storageRequest } from './storage-request.ts';

const PARTS_PARALLEL_MAX = 3;

interface UploadWork {
  api: ApiClient;
  signal: AbortSignal;
  /** Told as bytes leave; negative when a try failed and they have to go again. */
  onBytes: (bytes: number) => void;
}

/**
 * Sends one file's content to storage and makes sure that it is the content that was hashed.
 * Throws FileChangedError, StorageRefusalError, StorageUnreachableError.
 */
export async function uploadFile(
  file: HashedFile,
  upload: Upload,
  work: UploadWork,
): Promise<void> {
  const handle = await openForReading(file.absolutePath);
  const assertUnchanged = async () => {
    const now = await readStamp(handle);
    if (!sameStamp(file.stamp, now)) throw new FileChangedError(file.absolutePath);
  };
  try {
    await assertUnchanged();
    try {
      if (upload.kind === 'single') await putSingle(handle, file, upload, work);
      else await putParts(handle, file, upload, work);
    } catch (error) {
      // A refused checksum is most often a file that was written to: that is what to tell.
      if (error instanceof StorageRefusalError) await assertUnchanged();
      throw error;
    }
    await assertUnchanged();
  } finally {
    await handle.close();
  }
}

async function putSingle(
  handle: FileHandle,
  file: HashedFile,
  upload: Extract<Upload, { kind: 'single' }>,
  work: UploadWork,
): Promise<void> {
  const range = { start: 0, length: file.sizeBytes };
  await putRange(handle, file, range, { url: upload.url, headers: upload.headers }, work);
}

async function putParts(
  handle: FileHandle,
  file: HashedFile,
  upload: Extract<Upload, { kind: 'multipart' }>,
  work: UploadWork,
): Promise<void> {
  const { partUrls, uploadId } = upload;
  const partCount = Math.ceil(file.sizeBytes / upload.partSizeBytes);
  if (partUrls.length !== partCount || file.partMd5?.length !== partCount) {
    throw new CliError(
      `${file.absolutePath}: the orchestrator expects other parts than were read.`,
    );
  }
  const etags = new Array<string>(partCount).fill('');
  const putPart = async (part: number, signal: AbortSignal) => {
    const start = part * upload.partSizeBytes;
    const length = Math.min(upload.partSizeBytes, file.sizeBytes - start);
    const target = {
      url: partUrls[part] ?? '',
      headers: { 'Content-MD5': file.partMd5?.[part] ?? '' },
    };
    etags[part] = await putRange(handle, file, { start, length }, target, { ...work, signal });
  };
  await boundedParallel(partUrls.keys(), PARTS_PARALLEL_MAX, putPart, work.signal);
  await work.api.call(
    routes.completeAssetUpload,
    { body: { sha256: file.sha256, uploadId, etags } },
    { signal: work.signal, retry: patientRetry },
  );
}

/** PUTs bytes of the file; answers the ETag storage gave them. */
async function putRange(
  handle: FileHandle,
  file: HashedFile,
  range: { start: number; length: number },
  target: { url: string; headers: Record<string, string> },
  work: UploadWork,
): Promise<string> {
  const isWhole = range.length === file.sizeBytes;
  let sentBytes = 0;
  const body = () => {
    work.onBytes(-sentBytes);
    sentBytes = 0;
    return Readable.from(content(), { objectMode: false });
  };
  async function* content() {
    const sha256 = isWhole ? createHash('sha256') : undefined;
    for await (const chunk of readRange(handle, file.absolutePath, {
      ...range,
      freshChunks: true,
    })) {
      sha256?.update(chunk);
      sentBytes += chunk.length;
      work.onBytes(chunk.length);
      yield chunk;
    }
    // The stamp misses a write that keeps size and time; the content itself does not.
    if (sha256 !== undefined && sha256.digest('hex') !== file.sha256) {
      throw new FileChangedError(file.absolutePath);
    }
  }
  return storageRequest(
    {
      method: 'PUT',
      url: target.url,
      headers: { ...target.headers, 'Content-Length': String(range.length) },
      body,
      what: file.absolutePath,
      random: work.api.random,
      signal: work.signal,
    },
    async (answer) => {
      await readText(answer, 65_536);
      return answer.headers.etag ?? '';
    },
  );
}
