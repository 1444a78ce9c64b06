import type { S3Client } from '@aws-sdk/client-s3';
import { CreateBucketCommand, HeadBucketCommand } from '@aws-sdk/client-s3';
import { attempt, classify, isS3Error } from './errors.ts';

/** What every operation needs to know. */
export interface Bucket {
  client: S3Client;
  name: string;
}

export interface BucketOperations {
  /** Makes the bucket when it is missing. */
  ensureBucket(): Promise<void>;
  /** Throws unless the bucket is there and storage answers. */
  ping(signal?: AbortSignal): Promise<void>;
  close(): void;
}

export const abortOptions = (signal: AbortSignal | undefined) =>
  signal === undefined ? {} : { abortSignal: signal };

export const bucketOperations = ({ client, name }: Bucket): BucketOperations => {
  const head = (signal?: AbortSignal) =>
    attempt('head bucket', () =>
      client.send(new HeadBucketCommand({ Bucket: name }), abortOptions(signal)),
    );
  return {
    async ensureBucket() {
      if ((await head()) !== undefined) return;
      try {
        await client.send(new CreateBucketCommand({ Bucket: name }));
      } catch (error) {
        // Another replica was faster.
        if (isS3Error(error, 'BucketAlreadyOwnedByYou', 'BucketAlreadyExists')) return;
        throw classify('create bucket', error);
      }
    },
    async ping(signal) {
      if ((await head(signal)) === undefined) throw new Error(`bucket "${name}" does not exist`);
    },
    close: () => client.destroy(),
  };
};
