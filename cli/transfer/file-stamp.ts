import type { BigIntStats } from 'node:fs';
import { type FileHandle, stat } from 'node:fs/promises';
import { CliError, errnoCode } from '../failure.ts';

/** What tells that a file was written to since it was looked at. */
export interface FileStamp {
  sizeBytes: number;
  mtimeNs: bigint;
  /** Nothing sets it back: it tells a write that keeps size and mtime (cp -p, touch -r). */
  ctimeNs: bigint;
  inode: bigint;
}

export const stampOf = ({ size, mtimeNs, ctimeNs, ino }: BigIntStats): FileStamp => ({
  sizeBytes: Number(size),
  mtimeNs,
  ctimeNs,
  inode: ino,
});

export const readStamp = async (handle: FileHandle): Promise<FileStamp> =>
  stampOf(await handle.stat({ bigint: true }));

/** The stamp of a file by its name. Throws CliError where it can't be looked at. */
export async function stampAt(absolutePath: string): Promise<FileStamp> {
  try {
    return stampOf(await stat(absolutePath, { bigint: true }));
  } catch (error) {
    throw unreadable(absolutePath, errnoCode(error), error);
  }
}

export const sameStamp = (a: FileStamp, b: FileStamp): boolean =>
  a.sizeBytes === b.sizeBytes &&
  a.mtimeNs === b.mtimeNs &&
  a.ctimeNs === b.ctimeNs &&
  a.inode === b.inode;

/** The file is not what was hashed. Nothing was submitted. */
export class FileChangedError extends CliError {
  override name = 'FileChangedError';
  readonly file: string;

  constructor(file: string, during: 'read' | 'uploaded' = 'uploaded') {
    super(`${file} changed while it was being ${during}, submit again.`);
    this.file = file;
  }
}

/** Why a file can't be opened or read, by its errno code. */
export function unreadable(absolutePath: string, code: string | undefined, cause?: unknown) {
  const message =
    code === 'ENOENT'
      ? `${absolutePath} does not exist.`
      : `${absolutePath} can't be read (${code}).`;
  return new CliError(message, { cause });
}
