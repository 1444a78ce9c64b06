import { ListObjectsV2Command, S3ServiceException } from '@aws-sdk/client-s3';
import type { Bucket } from './bucket.ts';
import { ObjectStoreUnavailableError } from './errors.ts';

/** Why the bucket can't be used, in words for whoever set the orchestrator up. */
export class StorageSetupError extends Error {
  override name = 'StorageSetupError';
}

/** HEAD has no body to name the error in; what the SDK calls it then says nothing. */
const isCodeless = (error: unknown): boolean =>
  error instanceof S3ServiceException &&
  ['Unknown', 'UnknownError', '403', '301'].includes(error.name);

/** What stands behind a failure of the first calls; one that may be answered with a reason is made. */
export async function startFailure(
  { client, name }: Bucket,
  endpoint: string,
  error: unknown,
): Promise<Error> {
  const told = isCodeless(error)
    ? await client.send(new ListObjectsV2Command({ Bucket: name, MaxKeys: 1 })).then(
        () => error,
        (second: unknown) => second,
      )
    : error;
  return new StorageSetupError(`storage at ${endpoint}: ${reason(told, name)}`, { cause: told });
}

function reason(error: unknown, bucket: string): string {
  if (error instanceof ObjectStoreUnavailableError) return unavailable(error.cause);
  if (!(error instanceof Error)) return String(error);
  switch (error.name) {
    case 'InvalidAccessKeyId':
      return 'it does not know the access key (KARST_S3_ACCESS_KEY)';
    case 'SignatureDoesNotMatch':
      return 'it refuses the signature: the secret key is wrong (KARST_S3_SECRET_KEY), or a proxy changes requests on their way';
    case 'AccessDenied':
      return `the access key may not use the bucket "${bucket}" (docs/storage.md says what it must be allowed)`;
    case 'RequestTimeTooSkewed':
      return 'its clock and this machine’s differ by more than 15 minutes: set the one that is wrong';
    case 'AuthorizationHeaderMalformed':
    case 'PermanentRedirect':
    case 'IllegalLocationConstraintException':
      return `the bucket "${bucket}" is in another region (KARST_S3_REGION): ${error.message}`;
    case 'InvalidBucketName':
      return `"${bucket}" is no name a bucket can have (KARST_S3_BUCKET)`;
    default:
      return `${error.name}: ${error.message}`;
  }
}

function unavailable(cause: unknown): string {
  if (cause instanceof S3ServiceException) {
    return `it answers ${cause.$metadata.httpStatusCode ?? 'with an error'} (${cause.name})`;
  }
  const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
  return `it can't be reached${code}; is KARST_S3_ENDPOINT right?`;
}
