import {
  AbortMultipartUploadCommand,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { PartChecksum } from '@karst/shared/protocol/part-checksums.ts';
import type { Bucket } from './bucket.ts';
import { attempt, isS3Error, ObjectStoreUnavailableError } from './errors.ts';
import { objectKeys } from './keys.ts';
import type { PartUploads } from './part-uploads.ts';

/** The CRC-32 of nothing; the part that goes with it has another. */
const WRONG_CRC32 = 'AAAAAA==';

/** How S3 and MinIO refuse what is not what it is said to be. */
const WRONG_SUM_CODES = ['BadDigest', 'XAmzContentChecksumMismatch'];

/**
 * What storage holds parts to. Stores that do not know CRC-32 take any part under it without a word, and
 * some check it but do not tell it again, which to go on with an upload and to complete it needs: an
 * upload is begun that never gets a part. Asked once; a store that is away is asked again.
 */
export function checksumProbe(bucket: Bucket, uploads: PartUploads): () => Promise<PartChecksum> {
  let asked: Promise<PartChecksum> | undefined;
  return () => {
    asked ??= probe(bucket, uploads).catch((error: unknown) => {
      if (isUnknownTo(error)) return 'md5';
      asked = undefined;
      throw error;
    });
    return asked;
  };
}

async function probe({ client, name }: Bucket, uploads: PartUploads): Promise<PartChecksum> {
  const key = objectKeys.checksumProbe;
  const uploadId = await uploads.beginUpload(key, 'crc32');
  const upload = { Bucket: name, Key: key, UploadId: uploadId };
  const wrong = { ...upload, PartNumber: 1, Body: 'probe', ChecksumCRC32: WRONG_CRC32 };
  try {
    await attempt('probe checksums', () => client.send(new UploadPartCommand(wrong)));
    return 'md5';
  } catch (error) {
    if (!isS3Error(error, ...WRONG_SUM_CODES)) throw error;
    return (await uploads.uploadedParts(key, uploadId))?.checksum ?? 'md5';
  } finally {
    await attempt('abort upload', () => client.send(new AbortMultipartUploadCommand(upload)));
  }
}

/** Refused for what it asks, by a store that will say the same tomorrow. */
function isUnknownTo(error: unknown): boolean {
  const answer = error instanceof ObjectStoreUnavailableError ? error.cause : error;
  const status = answer instanceof S3ServiceException ? answer.$metadata.httpStatusCode : undefined;
  return status === 400 || status === 501;
}
