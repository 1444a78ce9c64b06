import type { Clock } from '@karst/shared/clock.ts';
import { boundedParallel } from '../bounded-parallel.ts';
import type { InputSource } from '../bundle/collect-inputs.ts';
import { FileChangedError, type FileStamp, stampAt, unreadable } from './file-stamp.ts';
import type { HashCache } from './hash-cache.ts';
import type { HashPool } from './hash-pool.ts';
import type { HashJob, HashOutcome } from './hash-range.ts';
import type { TransferMeter } from './transfer-meter.ts';

/** What a file held when it was read. */
export interface HashedFile {
  absolutePath: string;
  sha256: string;
  sizeBytes: number;
  stamp: FileStamp;
}

export interface HashWork {
  pool: HashPool;
  /** Without: every file is read. */
  cache: HashCache | undefined;
  clock: Clock;
  meter: TransferMeter;
  signal: AbortSignal;
}

const STATS_AT_ONCE = 16;
const BATCH_FILES_MAX = 64;
const BATCH_BYTES_MAX = 8 * 1024 * 1024;
/** So little is hashed sooner than a thread has started. */
const HERE_FILES_MAX = 64;
const HERE_BYTES_MAX = 16 * 1024 * 1024;
/** What was hashed is kept this often, for a submit that is cut. */
const FLUSH_EVERY_MS = 5000;

interface Unread {
  source: InputSource;
  sizeBytes: number;
}

/**
 * The hash of every source, by its path: from the cache where the file is as it was, else read, on
 * all cores. Throws CliError for a file that can't be read, FileChangedError.
 */
export async function hashInputs(
  sources: readonly InputSource[],
  work: HashWork,
): Promise<Map<string, HashedFile>> {
  const hashed = new Map<string, HashedFile>();
  const unread: Unread[] = [];
  const look = async (source: InputSource) => {
    const { absolutePath } = source;
    const stamp = await stampAt(absolutePath);
    const sha256 = await work.cache?.find(absolutePath, stamp);
    if (sha256 === undefined) unread.push({ source, sizeBytes: stamp.sizeBytes });
    else hashed.set(absolutePath, { absolutePath, sha256, sizeBytes: stamp.sizeBytes, stamp });
  };
  await boundedParallel(sources, STATS_AT_ONCE, look, work.signal);
  try {
    await readAll(unread, hashed, work);
  } finally {
    await work.cache?.flush();
  }
  return hashed;
}

async function readAll(
  unread: Unread[],
  hashed: Map<string, HashedFile>,
  work: HashWork,
): Promise<void> {
  const bytes = unread.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  work.meter.begin('Reading', { files: unread.length, bytes });
  const isLittle = unread.length <= HERE_FILES_MAX && bytes <= HERE_BYTES_MAX;
  let flushedAtMs = work.clock.monotonicMs();
  const read = async (batch: readonly Unread[]) => {
    const readFromMs = work.clock.nowMs();
    const jobs = batch.map(
      ({ source }): HashJob => ({
        file: source.absolutePath,
        algorithm: 'sha256',
      }),
    );
    const outcomes = isLittle
      ? work.pool.hashHere(jobs, work.meter.addBytes)
      : await work.pool.hash(jobs, work.meter.addBytes);
    for (const [index, outcome] of outcomes.entries()) {
      const file = hashedFile(batch[index]?.source.absolutePath ?? '', outcome);
      hashed.set(file.absolutePath, file);
      await work.cache?.remember(file.absolutePath, file.stamp, file.sha256, readFromMs);
      work.meter.addFile();
    }
    if (work.clock.monotonicMs() - flushedAtMs < FLUSH_EVERY_MS) return;
    flushedAtMs = work.clock.monotonicMs();
    await work.cache?.flush();
  };
  // The largest first: what takes longest must not be left to one thread at the end.
  unread.sort((a, b) => b.sizeBytes - a.sizeBytes);
  await abortable(
    boundedParallel(batches(unread), work.pool.threadCount, read, work.signal),
    work.signal,
  );
}

/** A thread that is in the midst of 100 GB is not waited for. */
async function abortable(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    // Whoever loses the race has been told by then.
    work.catch(() => undefined);
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function* batches(unread: readonly Unread[]): Generator<Unread[]> {
  let batch: Unread[] = [];
  let bytes = 0;
  for (const one of unread) {
    const isFull = batch.length === BATCH_FILES_MAX || bytes + one.sizeBytes > BATCH_BYTES_MAX;
    if (batch.length > 0 && isFull) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(one);
    bytes += one.sizeBytes;
  }
  if (batch.length > 0) yield batch;
}

function hashedFile(absolutePath: string, outcome: HashOutcome): HashedFile {
  if (outcome.kind === 'changed') throw new FileChangedError(absolutePath, 'read');
  if (outcome.kind === 'failed') throw unreadable(absolutePath, outcome.code);
  const { stamp, digest } = outcome;
  const sha256 = Buffer.from(digest).toString('hex');
  return { absolutePath, sha256, sizeBytes: stamp.sizeBytes, stamp };
}
