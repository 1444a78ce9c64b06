import { type FileHandle, mkdir, open, readdir, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Random } from '@karst/shared/random.ts';
import { type DirectWriter, DirectWrites, openDirect } from './direct-writes.ts';
import { S3Error } from './errors.ts';

const batchBytes = 512 * 1024;
const readBytes = 256 * 1024;
/** Kept free for the index: on a disk without room it could not even delete. */
const reserveBytes = 8 * 1024 ** 2;
const shards = Array.from({ length: 256 }, (_, index) => index.toString(16).padStart(2, '0'));

/** A stretch of one blob. */
export type Piece = { blob: string; sizeBytes: number };

/**
 * Immutable files with random names, `blobs/<2 hex>/<uuid>`: no name on disk ever comes from a client.
 * A blob means nothing until a row of the index points at it, so a torn one is just a file to sweep.
 */
export class BlobStore {
  readonly #dir: string;
  readonly #random: Random;
  readonly #direct: DirectWrites | undefined;
  readonly #readers = new Map<string, number>();
  readonly #doomed = new Set<string>();

  private constructor(dir: string, random: Random, direct: DirectWrites | undefined) {
    this.#dir = dir;
    this.#random = random;
    this.#direct = direct;
  }

  /** Opens the folder and deletes every blob that `isKnown` does not claim: leftovers of a crash. */
  static async open(
    dir: string,
    random: Random,
    isKnown: (blob: string) => boolean,
  ): Promise<BlobStore> {
    const root = join(dir, 'blobs');
    for (const shard of shards) {
      const shardDir = join(root, shard);
      await mkdir(shardDir, { recursive: true });
      for (const name of await readdir(shardDir)) {
        if (!isKnown(name)) await unlink(join(shardDir, name));
      }
    }
    await syncDirectory(root);
    await syncDirectory(dir);
    return new BlobStore(root, random, await DirectWrites.in(root));
  }

  #path(blob: string): string {
    return join(this.#dir, blob.slice(0, 2), blob);
  }

  /** Refuses what the disk has no room for before its bytes are sent, and keeps the reserve. */
  async #requireRoom(sizeBytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.#dir);
    if (bavail * bsize < sizeBytes + reserveBytes) throw new S3Error('InsufficientStorage');
  }

  /**
   * Writes a stream of `expectedBytes` to a new blob, then runs `check` (which may refuse it), then makes it durable.
   * On any failure the file is gone and the error rethrown.
   */
  async write(
    expectedBytes: number,
    source: AsyncIterable<Buffer>,
    check: () => void,
  ): Promise<Piece> {
    await this.#requireRoom(expectedBytes);
    const direct = this.#direct?.begin(expectedBytes);
    try {
      return await this.#write(source, check, direct);
    } finally {
      direct?.release();
    }
  }

  async #write(
    source: AsyncIterable<Buffer>,
    check: () => void,
    direct: DirectWriter | undefined,
  ): Promise<Piece> {
    const blob = this.#random.uuid();
    const path = this.#path(blob);
    const file = await (direct ? openDirect(path) : open(path, 'wx'));
    try {
      const sizeBytes = await (direct ? direct.write(file, source) : writeBatched(file, source));
      check();
      await file.sync();
      await file.close();
      await syncDirectory(join(this.#dir, blob.slice(0, 2)));
      return { blob, sizeBytes };
    } catch (error) {
      // It may be closed already; what matters here is the error that brought us here.
      await file.close().catch(() => undefined);
      await unlink(path);
      throw error;
    }
  }

  /** Keeps the blobs readable until `unpin`, even when they are discarded meanwhile. */
  pin(pieces: readonly Piece[]): void {
    for (const { blob } of pieces) this.#readers.set(blob, (this.#readers.get(blob) ?? 0) + 1);
  }

  async unpin(pieces: readonly Piece[]): Promise<void> {
    for (const { blob } of pieces) {
      const left = (this.#readers.get(blob) ?? 1) - 1;
      if (left > 0) {
        this.#readers.set(blob, left);
        continue;
      }
      this.#readers.delete(blob);
      if (this.#doomed.delete(blob)) await unlink(this.#path(blob));
    }
  }

  /** Deletes blobs nothing points at any more, each as soon as its last reader is done. */
  async discard(blobs: readonly string[]): Promise<void> {
    for (const blob of blobs) {
      if (this.#readers.has(blob)) this.#doomed.add(blob);
      else await unlink(this.#path(blob));
    }
  }

  /** Bytes `start` to `end` (exclusive) of pieces laid end to end. Pin them first. */
  async *read(pieces: readonly Piece[], start: number, end: number): AsyncGenerator<Buffer> {
    let offset = 0;
    for (const { blob, sizeBytes } of pieces) {
      const from = Math.max(start - offset, 0);
      const to = Math.min(end - offset, sizeBytes);
      offset += sizeBytes;
      if (from >= to) continue;
      yield* readStretch(this.#path(blob), from, to);
    }
  }
}

/** In buffers no larger than what is asked for: many objects are small. */
async function* readStretch(path: string, start: number, end: number): AsyncGenerator<Buffer> {
  const file = await open(path, 'r');
  try {
    for (let position = start; position < end; ) {
      const buffer = Buffer.allocUnsafeSlow(Math.min(readBytes, end - position));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) throw new Error(`${path} is shorter than its row says`);
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

async function writeBatched(file: FileHandle, source: AsyncIterable<Buffer>): Promise<number> {
  let batch: Buffer[] = [];
  let batched = 0;
  let written = 0;
  const flush = async () => {
    while (batch.length > 0) {
      const { bytesWritten } = await file.writev(batch);
      written += bytesWritten;
      batch = behind(batch, bytesWritten);
    }
    batched = 0;
  };
  for await (const chunk of source) {
    if (chunk.length === 0) continue;
    batch.push(chunk);
    batched += chunk.length;
    if (batched >= batchBytes) await flush();
  }
  await flush();
  return written;
}

/** What of `batch` lies behind its first `bytes`. */
function behind(batch: readonly Buffer[], bytes: number): Buffer[] {
  let left = bytes;
  return batch.flatMap((chunk) => {
    const taken = Math.min(left, chunk.length);
    left -= taken;
    return taken === chunk.length ? [] : [chunk.subarray(taken)];
  });
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
