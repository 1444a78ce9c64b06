import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { Crc32 } from '@karst/shared/crc32.ts';
import type { PartChecksum } from '@karst/shared/protocol/part-checksums.ts';
import { errnoCode } from '../failure.ts';
import { type FileStamp, sameStamp, stampOf } from './file-stamp.ts';

/** A file, or `length` bytes of it from `start`, whose digest is wanted. */
export interface HashJob {
  file: string;
  algorithm: 'sha256' | PartChecksum;
  /** Without: the whole file, whatever its size is when it is opened. */
  range?: { start: number; length: number };
}

/** Plain data: it travels between threads. */
export type HashOutcome =
  | { kind: 'hashed'; digest: Uint8Array; stamp: FileStamp }
  /** It was written to while it was read. */
  | { kind: 'changed' }
  | { kind: 'failed'; code: string | undefined };

/** Also how often progress is told. Bounds what a thread holds. */
const CHUNK_BYTES = 1024 * 1024;
const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);

/** Reads and hashes in one go, in flat memory, without giving way: for threads and for small files. */
export function hashRange(job: HashJob, onBytes: (bytes: number) => void): HashOutcome {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(job.file, 'r');
    const stamp = stampOf(fstatSync(descriptor, { bigint: true }));
    const { start, length } = job.range ?? { start: 0, length: stamp.sizeBytes };
    const hash = job.algorithm === 'crc32' ? new Crc32() : createHash(job.algorithm);
    for (let done = 0; done < length; ) {
      const wanted = Math.min(CHUNK_BYTES, length - done);
      const bytes = readSync(descriptor, buffer, 0, wanted, start + done);
      if (bytes === 0) return { kind: 'changed' };
      hash.update(buffer.subarray(0, bytes));
      done += bytes;
      onBytes(bytes);
    }
    const after = stampOf(fstatSync(descriptor, { bigint: true }));
    if (!sameStamp(stamp, after)) return { kind: 'changed' };
    return { kind: 'hashed', digest: new Uint8Array(hash.digest()), stamp };
  } catch (error) {
    return { kind: 'failed', code: errnoCode(error) };
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
