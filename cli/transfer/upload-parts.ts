import type { FileHandle } from 'node:fs/promises';
import type { AssetMultipart } from '@karst/shared/protocol/asset-uploads.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { patientRetry } from '../api/backoff.ts';
import type { ApiClient } from '../api/client.ts';
import { boundedParallel } from '../bounded-parallel.ts';
import type { Slots } from '../slots.ts';
import { FileChangedError, readStamp, sameStamp } from './file-stamp.ts';
import { openForReading } from './hash-file.ts';
import type { HashedFile } from './hash-inputs.ts';
import type { HashPool } from './hash-pool.ts';
import { type Part, PartSums } from './part-sums.ts';
import { putRange } from './put-range.ts';
import { StorageRefusalError } from './storage-request.ts';
import type { TransferMeter } from './transfer-meter.ts';
import { UploadState } from './upload-state.ts';

/** Parts of all files that are under way at once: what a cut loses. */
export const PARTS_AT_ONCE = 4;

export interface PartsWork {
  api: ApiClient;
  pool: HashPool;
  meter: TransferMeter;
  /** Where uploads that are cut are remembered. */
  cacheDir: string | undefined;
  /** PARTS_AT_ONCE of them, shared with other files. */
  slots: Slots;
  signal: AbortSignal;
}

/**
 * Sends a large file part by part, going on with an upload of the same content that was cut before.
 * Each part's sum is told beforehand, and storage checks it; a part counts only if the file has not
 * changed since it was hashed. Answers how many bytes it sent. Throws FileChangedError, StorageRefusalError, StorageUnreachableError.
 */
export async function uploadParts(file: HashedFile, work: PartsWork): Promise<number> {
  const { api, signal, meter } = work;
  const { sha256, sizeBytes } = file;
  const state = await UploadState.open(work.cacheDir, api.origin, sha256);
  const { uploadId, partChecksum, partSizeBytes, uploaded } = await api.call(
    routes.beginAssetUpload,
    { body: { sha256, sizeBytes, uploadId: state.uploadId } },
    { signal, retry: patientRetry },
  );
  if (uploadId !== state.uploadId) await state.begin(uploadId);
  const handle = await openForReading(file.absolutePath);
  try {
    const parts = partsOf(sizeBytes, partSizeBytes);
    const isThere = isUploaded(state, uploaded);
    const missing = parts.filter((part) => !isThere(part));
    const missingBytes = missing.reduce((sum, { length }) => sum + length, 0);
    meter.skipBytes(sizeBytes - missingBytes);
    const sums = new PartSums(file, missing, partChecksum, work.pool);
    const send = async (part: Part, at: AbortSignal) => {
      at.throwIfAborted();
      const checksum = await sums.of(part);
      const etag = await putPart(
        handle,
        { file, part, checksum, uploadId },
        { ...work, signal: at },
      );
      await state.add(part.number, etag);
    };
    const inTurn = (part: Part, at: AbortSignal) => work.slots.run(() => send(part, at));
    await boundedParallel(missing, PARTS_AT_ONCE, inTurn, signal);
    await assertUnchanged(handle, file);
    const etags = parts.map(({ number }) => state.etags.get(number) ?? '');
    await api.call(
      routes.completeAssetUpload,
      { body: { sha256, uploadId, etags } },
      { signal, retry: patientRetry },
    );
    await state.remove();
    return missingBytes;
  } finally {
    await handle.close();
  }
}

function partsOf(sizeBytes: number, partSizeBytes: number): Part[] {
  return Array.from({ length: Math.ceil(sizeBytes / partSizeBytes) }, (_, index) => {
    const start = index * partSizeBytes;
    return { number: index + 1, start, length: Math.min(partSizeBytes, sizeBytes - start) };
  });
}

/** A part counts as there when storage has the very bytes that we know it took of this content. */
function isUploaded(state: UploadState, uploaded: AssetMultipart['uploaded']) {
  const stored = new Map(uploaded.map((part) => [part.number, part]));
  return ({ number, length }: Part): boolean => {
    const found = stored.get(number);
    return found?.sizeBytes === length && found.etag === state.etags.get(number);
  };
}

interface PartPut {
  file: HashedFile;
  part: Part;
  /** Base64. */
  checksum: string;
  uploadId: string;
}

async function putPart(handle: FileHandle, put: PartPut, work: PartsWork): Promise<string> {
  const { file, part } = put;
  let sentBytes = 0;
  const onBytes = (bytes: number) => {
    sentBytes += bytes;
    work.meter.addBytes(bytes);
  };
  const { random } = work.api;
  const putOnce = async () => {
    const link = await linkOf(put, work);
    return await putRange(
      handle,
      file,
      { ...part, ...link },
      { random, signal: work.signal, onBytes },
    );
  };
  try {
    const etag = await putOnce().catch((error: unknown) => {
      // A link that expired while it waited: a fresh one is asked for, once.
      if (!(error instanceof StorageRefusalError) || error.status !== 403) throw error;
      work.meter.addBytes(-sentBytes);
      sentBytes = 0;
      return putOnce();
    });
    await assertUnchanged(handle, file);
    return etag;
  } catch (error) {
    work.meter.addBytes(-sentBytes);
    // A refused checksum is most often a file that was written to: that is what to tell.
    if (error instanceof StorageRefusalError) await assertUnchanged(handle, file);
    throw error;
  }
}

async function linkOf({ file, part, checksum, uploadId }: PartPut, work: PartsWork) {
  const { sha256, sizeBytes } = file;
  const parts = [{ number: part.number, checksum }];
  const { links } = await work.api.call(
    routes.linkAssetParts,
    { body: { sha256, sizeBytes, uploadId, parts } },
    { signal: work.signal, retry: patientRetry },
  );
  const [link] = links;
  if (link === undefined) throw new Error(`no link came for part ${part.number}`);
  return link;
}

async function assertUnchanged(handle: FileHandle, file: HashedFile): Promise<void> {
  if (!sameStamp(file.stamp, await readStamp(handle))) {
    throw new FileChangedError(file.absolutePath);
  }
}
