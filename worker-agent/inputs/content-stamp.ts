import type { BigIntStats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { errorCode } from '../session/failure.ts';

/**
 * Equal: the content is as it was, as far as a file system tells. Not its ctime, unlike stampOf: that
 * moves with each link to the file that is made or removed.
 */
export const contentStampOf = ({ ino, size, mtimeNs }: BigIntStats): string =>
  `${ino}:${size}:${mtimeNs}`;

/** Undefined: nothing is there. */
export async function contentStampAt(path: string): Promise<string | undefined> {
  try {
    return contentStampOf(await lstat(path, { bigint: true }));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
