import { createCipheriv } from 'node:crypto';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const BLOCK_BYTES = 8 * 1024 * 1024;
const FILES_A_DIR = 200;

/** Bytes that no file system or network compresses, different for each seed: AES in counter mode. */
function noise(seed: number) {
  const key = Buffer.alloc(16);
  key.writeUInt32LE(seed);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(BLOCK_BYTES);
  return (bytes: number) => cipher.update(zeros.subarray(0, bytes));
}

/** `files` files of `bytes` each in directories of `dir`, as textures lie there. */
export async function makeSmallFiles(dir: string, files: number, bytes: number): Promise<void> {
  const next = noise(1);
  for (let i = 0; i < files; i++) {
    const place = join(dir, `set-${Math.floor(i / FILES_A_DIR)}`);
    if (i % FILES_A_DIR === 0) await mkdir(place, { recursive: true });
    await writeFile(join(place, `${i}.tex`), next(bytes));
  }
}

export async function makeLargeFile(file: string, bytes: number): Promise<void> {
  const next = noise(2);
  const handle = await open(file, 'wx');
  try {
    for (let left = bytes; left > 0; left -= BLOCK_BYTES) {
      await handle.write(next(Math.min(left, BLOCK_BYTES)));
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}
