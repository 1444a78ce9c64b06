import { S3ServiceException } from '@aws-sdk/client-s3';
import { networkCodes } from '../store/network-codes.ts';

/** Storage can't be reached, is failing or full: the same call may succeed later. */
export class ObjectStoreUnavailableError extends Error {
  readonly isFull: boolean;

  constructor(operation: string, cause: unknown) {
    const isFull = cause instanceof Error && isFullStore(cause);
    super(`object storage is ${isFull ? 'full' : 'unavailable'} (${operation})`, { cause });
    this.name = 'ObjectStoreUnavailableError';
    this.isFull = isFull;
  }
}

/** MinIO and the local endpoint say 507; Ceph and those who sell by the bucket have a quota. */
const isFullStore = (error: Error): boolean =>
  ['QuotaExceeded', 'XMinioStorageFull', 'InsufficientStorage'].includes(error.name) ||
  (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 507);

const passingNames = new Set([
  'TimeoutError',
  'RequestTimeout',
  'SlowDown',
  'ServiceUnavailable',
  'InternalError',
  'ThrottlingException',
  'NetworkingError',
]);

function isPassing(error: Error): boolean {
  if (passingNames.has(error.name) || isFullStore(error)) return true;
  if (error instanceof S3ServiceException) return (error.$metadata.httpStatusCode ?? 0) >= 500;
  return 'code' in error && typeof error.code === 'string' && networkCodes.has(error.code);
}

/** What the SDK threw, with outages told apart from answers. */
export function classify(operation: string, error: unknown): unknown {
  return error instanceof Error && isPassing(error)
    ? new ObjectStoreUnavailableError(operation, error)
    : error;
}

/** Whether S3 answered with one of these error codes. */
export const isS3Error = (error: unknown, ...names: string[]): boolean =>
  error instanceof S3ServiceException && names.includes(error.name);

/** HEAD answers carry no body, hence no code: only the status tells. */
export const isAbsent = (error: unknown): boolean =>
  error instanceof S3ServiceException &&
  (error.$metadata.httpStatusCode === 404 || error.name === 'NoSuchKey');

/** Runs one call: answers undefined when what it names is absent, tells outages from other errors. */
export async function attempt<T>(operation: string, run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (isAbsent(error) && !isS3Error(error, 'NoSuchBucket')) return undefined;
    throw classify(operation, error);
  }
}
