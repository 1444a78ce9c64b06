import type { Clock } from '@karst/shared/clock.ts';
import { type InputFile, MULTIPART_THRESHOLD_BYTES } from '@karst/shared/protocol/files.ts';
import { keepYoungGenerationSmall } from '@karst/shared/small-young-generation.ts';
import type { ApiClient } from '../api/client.ts';
import { isTransient } from '../api/client.ts';
import { ProblemResponseError } from '../api/problem-error.ts';
import { boundedParallel } from '../bounded-parallel.ts';
import type { InputSource } from '../bundle/collect-inputs.ts';
import { Slots } from '../slots.ts';
import { FileChangedError } from './file-stamp.ts';
import type { HashCache } from './hash-cache.ts';
import { type HashedFile, hashInputs } from './hash-inputs.ts';
import { HashPool } from './hash-pool.ts';
import { findMissing, type MissingContents } from './missing-contents.ts';
import { StorageRefusalError } from './storage-request.ts';
import { requireRoom } from './storage-room.ts';
import type { TransferMeter } from './transfer-meter.ts';
import { SMALL_FILE_BYTES, uploadFile } from './upload-file.ts';
import { PARTS_AT_ONCE, uploadParts } from './upload-parts.ts';
import { removeOldStates } from './upload-state.ts';

/** By size: small files wait for answers, others for the line, and each holds memory. */
const SMALL_AT_ONCE = 32;
const MEDIUM_AT_ONCE = 12;
const LARGE_AT_ONCE = 4;

export interface UploadSummary {
  inputs: InputFile[];
  uploadedCount: number;
  uploadedBytes: number;
  /** Different contents that storage had already. */
  presentCount: number;
}

export interface UploadOptions {
  api: ApiClient;
  clock: Clock;
  meter: TransferMeter;
  /** Without: every file is read. */
  cache: HashCache | undefined;
  /** Where uploads that are cut are remembered. */
  cacheDir: string | undefined;
  signal: AbortSignal;
}

/** Hashes every input and uploads the contents that the studio does not have yet. */
export async function uploadInputs(
  sources: readonly InputSource[],
  options: UploadOptions,
): Promise<UploadSummary> {
  keepYoungGenerationSmall();
  const pool = new HashPool();
  try {
    const hashed = await hashInputs(sources, { ...options, pool });
    // Most uploads need no threads, and each holds 20 MB.
    await pool.close();
    const contents = new Map([...hashed.values()].map((file) => [file.sha256, file]));
    const work = { ...options, pool, slots: new Slots(PARTS_AT_ONCE) };
    const sent = await sendMissing([...contents.values()], work);
    const inputs = sources.map(({ treePath, absolutePath, executable }): InputFile => {
      const { sha256 = '', sizeBytes = 0 } = hashed.get(absolutePath) ?? {};
      return { path: treePath, sha256, sizeBytes, executable };
    });
    inputs.sort((a, b) => (a.path < b.path ? -1 : 1));
    return { inputs, ...sent, presentCount: contents.size - sent.uploadedCount };
  } catch (error) {
    // What the cache says of it may be wrong: the next submit reads it.
    if (error instanceof FileChangedError) {
      await options.cache?.forget(error.file);
      await options.cache?.flush();
    }
    throw error;
  } finally {
    await pool.close();
  }
}

interface SendWork extends UploadOptions {
  pool: HashPool;
  slots: Slots;
}

interface Waiting {
  file: HashedFile;
  group: MissingContents;
}

async function sendMissing(contents: readonly HashedFile[], work: SendWork) {
  const groups = await findMissing(work, contents);
  const waiting = groups.flatMap((group) =>
    [...group.waiting.values()].map((file): Waiting => ({ file, group })),
  );
  const bytes = waiting.reduce((sum, { file }) => sum + file.sizeBytes, 0);
  if (groups.length > 1) await requireRoom(work.api, bytes);
  work.meter.begin('Uploading', { files: waiting.length, bytes });
  const sent = { uploadedCount: 0, uploadedBytes: 0 };
  const send = async ({ file, group }: Waiting, signal: AbortSignal) => {
    const sentBytes =
      file.sizeBytes > MULTIPART_THRESHOLD_BYTES
        ? await sendInParts(file, group, { ...work, signal })
        : await sendWhole(file, group, { ...work, signal });
    group.done(file);
    work.meter.addFile();
    if (sentBytes === undefined) return;
    sent.uploadedCount++;
    sent.uploadedBytes += sentBytes;
  };
  const between = (above: number, upTo: number) =>
    waiting.filter(({ file }) => file.sizeBytes > above && file.sizeBytes <= upTo);
  await boundedParallel(between(-1, SMALL_FILE_BYTES), SMALL_AT_ONCE, send, work.signal);
  const medium = between(SMALL_FILE_BYTES, MULTIPART_THRESHOLD_BYTES);
  await boundedParallel(medium, MEDIUM_AT_ONCE, send, work.signal);
  const large = between(MULTIPART_THRESHOLD_BYTES, Number.POSITIVE_INFINITY);
  if (large.length > 0 && work.cacheDir) await removeOldStates(work.cacheDir, work.clock);
  await boundedParallel(large, LARGE_AT_ONCE, send, work.signal);
  return sent;
}

/** Answers the bytes it sent; undefined where somebody else has uploaded the content meanwhile. */
async function sendWhole(file: HashedFile, group: MissingContents, work: SendWork) {
  let sentBytes = 0;
  const onBytes = (bytes: number) => {
    sentBytes += bytes;
    work.meter.addBytes(bytes);
  };
  const { signal } = work;
  const { random } = work.api;
  const upload = await group.uploadOf(file);
  if (upload?.kind !== 'single') return undefined;
  try {
    await uploadFile(file, upload, { random, signal, onBytes });
  } catch (error) {
    // A link that expired while it waited: a fresh one is asked for, once.
    if (!(error instanceof StorageRefusalError) || error.status !== 403) throw error;
    work.meter.addBytes(-sentBytes);
    const fresh = await group.freshUploadOf(file);
    if (fresh?.kind !== 'single') return undefined;
    await uploadFile(file, fresh, { random, signal, onBytes });
  }
  return file.sizeBytes;
}

/** An upload that is gone (completed by another submit, aborted, forgotten) is begun anew, once. */
async function sendInParts(file: HashedFile, group: MissingContents, work: SendWork) {
  try {
    return await uploadParts(file, work);
  } catch (error) {
    if (!isUploadGone(error)) throw error;
    if ((await group.freshUploadOf(file)) === undefined) return undefined;
    return await uploadParts(file, work);
  }
}

const isUploadGone = (error: unknown): boolean =>
  (error instanceof StorageRefusalError && error.status === 404) ||
  (error instanceof ProblemResponseError &&
    error.problem.code === 'conflict' &&
    !isTransient(error));
