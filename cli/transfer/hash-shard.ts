import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { sha256Schema } from '@karst/shared/protocol/files.ts';
import type { Random } from '@karst/shared/random.ts';
import { z } from 'zod';
import type { FileStamp } from './file-stamp.ts';

const digits = z.string().regex(/^-?\d{1,24}$/);
/** Size, mtime, ctime, inode, SHA-256. */
const entrySchema = z.tuple([z.int().min(0), digits, digits, digits, sha256Schema]);
export type HashEntry = z.infer<typeof entrySchema>;

const shardSchema = z.object({
  version: z.literal(1),
  dir: z.string(),
  files: z.record(z.string(), entrySchema),
});

export const entryOf = (stamp: FileStamp, sha256: string): HashEntry => [
  stamp.sizeBytes,
  String(stamp.mtimeNs),
  String(stamp.ctimeNs),
  String(stamp.inode),
  sha256,
];

export const isOf = (entry: HashEntry, stamp: FileStamp): boolean =>
  entryOf(stamp, entry[4]).every((field, index) => field === entry[index]);

const sum = (text: string) => createHash('sha256').update(text).digest('hex');

/** The file that holds the hashes of the files right in `dir`. */
export const shardPath = (cacheDir: string, dir: string) =>
  path.join(cacheDir, `${sum(dir).slice(0, 32)}.json`);

/** What is known of the files in `dir`, by name. A shard that is not whole is none. */
export async function readShard(cacheDir: string, dir: string): Promise<Map<string, HashEntry>> {
  try {
    const text = await readFile(shardPath(cacheDir, dir), 'utf8');
    const end = text.indexOf('\n');
    const body = text.slice(end + 1);
    if (text.slice(0, end) !== sum(body)) return new Map();
    const shard = shardSchema.parse(JSON.parse(body));
    return new Map(shard.dir === dir ? Object.entries(shard.files) : []);
  } catch {
    // Absent, damaged, not ours: the files are read again, that is all.
    return new Map();
  }
}

/** Replaces the shard in one step: who reads meanwhile finds the old or the new one. */
export async function writeShard(
  cacheDir: string,
  dir: string,
  files: ReadonlyMap<string, HashEntry>,
  random: Random,
): Promise<void> {
  const body = JSON.stringify({ version: 1, dir, files: Object.fromEntries(files) });
  const file = shardPath(cacheDir, dir);
  const partial = `${file}.${random.uuid().slice(0, 8)}.part`;
  await mkdir(cacheDir, { recursive: true, mode: 0o700 });
  try {
    await writeFile(partial, `${sum(body)}\n${body}`, { mode: 0o600 });
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
