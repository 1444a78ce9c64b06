import type { FileHandle } from 'node:fs/promises';
import { CliError } from '../failure.ts';

/** What tells that a file was written to since it was looked at. */
export interface FileStamp {
  sizeBytes: number;
  mtimeNs: bigint;
  inode: bigint;
}

export async function readStamp(handle: FileHandle): Promise<FileStamp> {
  const { size, mtimeNs, ino } = await handle.stat({ bigint: true });
  return { sizeBytes: Number(size), mtimeNs, inode: ino };
}

export const sameStamp = (a: FileStamp, b: FileStamp): boolean =>
  a.sizeBytes === b.sizeBytes && a.mtimeNs === b.mtimeNs && a.inode === b.inode;

/** The file is not what was hashed. Nothing was submitted. */
export class FileChangedError extends CliError {
  override name = 'FileChangedError';

  constructor(file: string) {
    super(`${file} changed while it was being uploaded, submit again.`);
  }
}
