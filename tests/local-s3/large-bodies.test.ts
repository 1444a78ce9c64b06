import { createCipheriv } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BlobStore } from '@karst/orchestrator/local-s3/blobs.ts';
import { DirectWrites } from '@karst/orchestrator/local-s3/direct-writes.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { blobFiles, temporaryDir } from './endpoint.ts';

const MiB = 1024 * 1024;

let place: Awaited<ReturnType<typeof temporaryDir>>;
beforeEach(async () => {
  place = await temporaryDir();
});
afterEach(() => place.remove());

const openBlobs = () => BlobStore.open(place.dir, systemRandom, () => true);

/** Different bytes for each seed, in chunks of odd sizes. */
function content(seed: number, sizeBytes: number) {
  const iv = Buffer.alloc(16);
  iv.writeUInt32LE(seed);
  const bytes = createCipheriv('aes-128-ctr', Buffer.alloc(16), iv).update(Buffer.alloc(sizeBytes));
  async function* chunks() {
    for (let at = 0, turn = 0; at < sizeBytes; turn++) {
      const chunk = bytes.subarray(at, at + 60_000 + ((turn * 7919) % 70_000));
      at += chunk.length;
      yield chunk;
      if (turn % 5 === 0) await new Promise(setImmediate);
    }
  }
  return { bytes, chunks };
}

async function stored(blobs: BlobStore, piece: { blob: string; sizeBytes: number }) {
  const chunks: Buffer[] = [];
  for await (const chunk of blobs.read([piece], 0, piece.sizeBytes)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

it.each([
  ['a byte less than goes past the page cache', 4 * MiB - 1],
  ['the least that does', 4 * MiB],
  ['a byte more', 4 * MiB + 1],
  ['a block more', 4 * MiB + 4096],
  ['a byte short of a block', 4 * MiB + 4095],
  ['a byte short of a buffer', 5 * MiB - 1],
  ['many buffers and an odd end', 9 * MiB + 12_345],
])('keeps a body of %s as it came', async (_, sizeBytes) => {
  const blobs = await openBlobs();
  const { bytes, chunks } = content(sizeBytes, sizeBytes);
  const piece = await blobs.write(sizeBytes, chunks(), () => undefined);
  expect(piece.sizeBytes).toBe(sizeBytes);
  const file = join(place.dir, 'blobs', piece.blob.slice(0, 2), piece.blob);
  expect((await stat(file)).size).toBe(sizeBytes);
  expect((await stored(blobs, piece)).equals(bytes)).toBe(true);
});

it('keeps more bodies apart than it has buffers for', async () => {
  const blobs = await openBlobs();
  const sizes = Array.from({ length: 12 }, (_, i) => 4 * MiB + 1000 * i);
  const written = await Promise.all(
    sizes.map(async (sizeBytes, seed) => {
      const { bytes, chunks } = content(seed, sizeBytes);
      return { bytes, piece: await blobs.write(sizeBytes, chunks(), () => undefined) };
    }),
  );
  for (const { bytes, piece } of written) {
    expect((await stored(blobs, piece)).equals(bytes)).toBe(true);
  }
});

it('keeps nothing of bodies that break off or are refused, and all buffers for the next', async () => {
  const blobs = await openBlobs();
  async function* brokenOff() {
    yield Buffer.alloc(3 * MiB);
    throw new Error('the client is gone');
  }
  for (let i = 0; i < 10; i++) {
    await expect(blobs.write(5 * MiB, brokenOff(), () => undefined)).rejects.toThrow('is gone');
    const refuse = () => {
      throw new Error('another checksum');
    };
    const { chunks } = content(i, 4 * MiB);
    await expect(blobs.write(4 * MiB, chunks(), refuse)).rejects.toThrow('another checksum');
  }
  expect(await blobFiles(place.dir)).toEqual([]);
  const { bytes, chunks } = content(1, 6 * MiB);
  const piece = await blobs.write(6 * MiB, chunks(), () => undefined);
  expect((await stored(blobs, piece)).equals(bytes)).toBe(true);
});

it('lends each pair of buffers to one writer, and to nobody for what is small', async () => {
  const writes = await DirectWrites.in(place.dir);
  expect(await readdir(place.dir)).toEqual([]);
  if (writes === undefined) return;
  expect(writes.begin(4 * MiB - 1)).toBeUndefined();
  const writers = Array.from({ length: 8 }, () => writes.begin(4 * MiB));
  expect(writers).not.toContain(undefined);
  expect(writes.begin(4 * MiB)).toBeUndefined();
  writers[3]?.release();
  expect(writes.begin(4 * MiB)).toBeDefined();
});

it('does without where it can not even try, as on a disk without room', async () => {
  expect(await DirectWrites.in(`${place.dir}/absent`)).toBeUndefined();
});
