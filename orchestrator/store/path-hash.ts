import { createHash } from 'node:crypto';

/**
 * What stands for an output's path where tasks that write the same one are told apart: 64 bits as 11
 * characters. Among a million paths of a job, two share one by a chance of 1 in 37 million.
 */
const pathHash = (path: string): string =>
  createHash('sha256').update(path).digest().subarray(0, 8).toString('base64url');

/** Of all outputs of a task, one behind the other. */
export const pathHashes = (files: readonly { path: string }[]): string =>
  files.map(({ path }) => pathHash(path)).join('');
