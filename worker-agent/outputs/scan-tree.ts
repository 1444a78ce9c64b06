import type { BigIntStats, Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../session/failure.ts';

/** A file or link, by its place in the job's file tree. */
export interface FoundFile {
  localPath: string;
  sizeBytes: number;
  /** Equal stamps, equal content (as far as a file system tells). */
  stamp: string;
  kind: 'file' | 'link';
}

/** Adds what lies at a place of the tree, or below it, to `found`; '' is the whole tree. */
export async function scanTree(
  treePath: string,
  localPath: string,
  found: Map<string, FoundFile>,
): Promise<void> {
  const stats = await lstatIfThere(localPath);
  if (stats === undefined) return;
  if (stats.isDirectory()) {
    for (const { name } of await entriesOf(localPath)) {
      await scanTree(treePath === '' ? name : `${treePath}/${name}`, join(localPath, name), found);
    }
  } else if (stats.isFile() || stats.isSymbolicLink()) {
    const kind = stats.isFile() ? 'file' : 'link';
    found.set(treePath, { localPath, kind, sizeBytes: Number(stats.size), stamp: stampOf(stats) });
  }
}

export const stampOf = ({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  `${ino}:${size}:${mtimeNs}:${ctimeNs}`;

async function entriesOf(dir: string): Promise<Dirent[]> {
  try {
    return await readdir(dir, { withFileTypes: true });
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function lstatIfThere(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}
