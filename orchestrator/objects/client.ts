import { S3Client } from '@aws-sdk/client-s3';

export interface ObjectStoreConfig {
  endpoint: string;
  region: string;
  bucket: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** Where nodes and clients reach storage, when not at `endpoint`: presigned URLs name it. */
  publicEndpoint?: string | undefined;
}

const CONNECT_TIMEOUT_MS = 3000;
const REQUEST_TIMEOUT_MS = 30_000;
const TRIES_MAX = 3;

/**
 * Path-style, checksums only where S3 requires them: what Ceph, SeaweedFS, R2 and MinIO all take.
 * The default would bake the checksum of an empty body into presigned PUT URLs.
 */
export const createClient = (config: ObjectStoreConfig): S3Client =>
  new S3Client({
    endpoint: config.endpoint,
    region: config.region,
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: TRIES_MAX,
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
    credentials: { accessKeyId: config.accessKeyId, secretAccessKey: config.secretAccessKey },
  });
