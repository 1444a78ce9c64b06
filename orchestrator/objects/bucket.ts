import type { S3Client } from '@aws-sdk/client-s3';
import { CreateBucketCommand, HeadBucketCommand } from '@aws-sdk/client-s3';
import type { Direct } from './direct.ts';
import { attempt, classify, isS3Error } from './errors.ts';
import { StorageSetupError, startFailure } from './start-failure.ts';

/** What every operation needs to know. */
export interface Bucket {
  client: S3Client;
  name: string;
  /** Before the client is asked. */
  direct?: Direct;
}

export interface BucketOperations {
  /** Makes the bucket when it is missing. Throws StorageSetupError, which says what is wrong. */
  ensureBucket(): Promise<void>;
  /** Throws unless the bucket is there and storage answers. */
  ping(signal?: AbortSignal): Promise<void>;
  /** How far storage's clock is ahead of ours, ms, by its last answer; to about a second. */
  clockOffsetMs(): number;
  close(): void;
}

export const abortOptions = (signal: AbortSignal | undefined) =>
  signal === undefined ? {} : { abortSignal: signal };

export const bucketOperations = (bucket: Bucket, endpoint: string): BucketOperations => {
  const { client, name } = bucket;
  const head = (signal?: AbortSignal) =>
    attempt('head bucket', () =>
      client.send(new HeadBucketCommand({ Bucket: name }), abortOptions(signal)),
    );
  const create = async () => {
    try {
      await client.send(new CreateBucketCommand({ Bucket: name }));
    } catch (error) {
      // Another replica was faster.
      if (isS3Error(error, 'BucketAlreadyOwnedByYou', 'BucketAlreadyExists')) return;
      if (!isS3Error(error, 'AccessDenied')) throw classify('create bucket', error);
      throw new StorageSetupError(
        `storage at ${endpoint}: the bucket "${name}" does not exist, and the access key may not make it`,
        { cause: error },
      );
    }
  };
  return {
    async ensureBucket() {
      try {
        if ((await head()) === undefined) await create();
      } catch (error) {
        throw error instanceof StorageSetupError
          ? error
          : await startFailure(bucket, endpoint, error);
      }
    },
    async ping(signal) {
      if ((await head(signal)) === undefined) throw new Error(`bucket "${name}" does not exist`);
    },
    clockOffsetMs: () => client.config.systemClockOffset,
    close: () => client.destroy(),
  };
};
