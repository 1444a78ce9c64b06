import type { InputFile } from '@karst/shared/protocol/files.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { patientRetry } from '../api/backoff.ts';
import type { ApiClient } from '../api/client.ts';
import { boundedParallel } from '../bounded-parallel.ts';
import type { InputSource } from '../bundle/collect-inputs.ts';
import { type HashedFile, hashFile } from './hash-file.ts';
import { StorageRefusalError } from './storage-request.ts';
import type { TransferMeter } from './transfer-meter.ts';
import { uploadFile } from './upload-file.ts';

const FILES_PARALLEL_MAX = 4;
const BATCH_FILES_MAX = 500;
/** Bounds the size of one request: large files bring a line for each part. */
const BATCH_PARTS_MAX = 20_000;

export interface UploadSummary {
  inputs: InputFile[];
  uploadedCount: number;
  uploadedBytes: number;
  /** Different contents that storage had already. */
  presentCount: number;
}

/** Hashes every input and uploads the contents that the studio does not have yet. */
export async function uploadInputs(
  api: ApiClient,
  sources: readonly InputSource[],
  meter: TransferMeter,
  signal: AbortSignal,
): Promise<UploadSummary> {
  const inputs: InputFile[] = [];
  const contents = new Map<string, HashedFile>();
  meter.begin('Reading', sources.length);
  const hash = async (source: InputSource, at: AbortSignal) => {
    const hashed = await hashFile(source.absolutePath, { signal: at, onBytes: meter.addBytes });
    contents.set(hashed.sha256, hashed);
    const { sha256, sizeBytes } = hashed;
    inputs.push({ path: source.treePath, sha256, sizeBytes, executable: source.executable });
    meter.addFile();
  };
  await boundedParallel(sources, FILES_PARALLEL_MAX, hash, signal);
  inputs.sort((a, b) => (a.path < b.path ? -1 : 1));

  meter.begin('Uploading', contents.size);
  const summary: UploadSummary = { inputs, uploadedCount: 0, uploadedBytes: 0, presentCount: 0 };
  for (const batch of batches([...contents.values()])) {
    await uploadBatch(api, batch, { meter, signal, summary });
  }
  return summary;
}

function* batches(files: readonly HashedFile[]): Generator<HashedFile[]> {
  let batch: HashedFile[] = [];
  let parts = 0;
  for (const file of files) {
    const own = file.partMd5?.length ?? 0;
    if (batch.length === BATCH_FILES_MAX || (batch.length > 0 && parts + own > BATCH_PARTS_MAX)) {
      yield batch;
      batch = [];
      parts = 0;
    }
    batch.push(file);
    parts += own;
  }
  if (batch.length > 0) yield batch;
}

interface BatchWork {
  meter: TransferMeter;
  signal: AbortSignal;
  summary: UploadSummary;
}

async function uploadBatch(api: ApiClient, batch: readonly HashedFile[], work: BatchWork) {
  const wanted = await requestUploads(api, batch, work.signal);
  const send = async (file: HashedFile, signal: AbortSignal) => {
    const upload = wanted.get(file.sha256);
    if (upload === undefined) {
      work.summary.presentCount++;
    } else {
      await sendOnce(api, file, upload, { meter: work.meter, signal });
      work.summary.uploadedCount++;
      work.summary.uploadedBytes += file.sizeBytes;
    }
    work.meter.addFile();
  };
  await boundedParallel(batch, FILES_PARALLEL_MAX, send, work.signal);
}

type WantedUpload = Parameters<typeof uploadFile>[1];

/** Links to upload with, for those contents that are not there yet. */
async function requestUploads(
  api: ApiClient,
  files: readonly HashedFile[],
  signal: AbortSignal,
): Promise<Map<string, WantedUpload>> {
  const answer = await api.call(
    routes.createAssetUploads,
    {
      body: {
        files: files.map(({ sha256, sizeBytes, partMd5 }) => ({ sha256, sizeBytes, partMd5 })),
      },
    },
    { signal, retry: patientRetry },
  );
  const wanted = new Map<string, WantedUpload>();
  for (const { sha256, upload } of answer.uploads) if (upload !== null) wanted.set(sha256, upload);
  return wanted;
}

/** A link may have expired while others were uploaded: then one new link is asked for. */
async function sendOnce(
  api: ApiClient,
  file: HashedFile,
  upload: WantedUpload,
  work: { meter: TransferMeter; signal: AbortSignal },
): Promise<void> {
  const { signal } = work;
  let sentBytes = 0;
  const onBytes = (bytes: number) => {
    sentBytes += bytes;
    work.meter.addBytes(bytes);
  };
  try {
    await uploadFile(file, upload, { api, signal, onBytes });
  } catch (error) {
    if (!(error instanceof StorageRefusalError) || error.status !== 403) throw error;
    const again = (await requestUploads(api, [file], signal)).get(file.sha256);
    work.meter.addBytes(-sentBytes);
    if (again !== undefined) await uploadFile(file, again, { api, signal, onBytes });
  }
}
