import {
  CreateMultipartUploadCommand,
  ListPartsCommand,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import {
  type PartChecksum,
  type PutLink,
  partChecksumOf,
} from '@karst/shared/protocol/part-checksums.ts';
import type { Bucket } from './bucket.ts';
import { attempt } from './errors.ts';
import type { Presign } from './presign.ts';

export interface UploadedPart {
  /** From 1. */
  number: number;
  sizeBytes: number;
  etag: string;
  /** Base64; where the upload was begun for CRC-32. */
  crc32?: string;
}
export interface PartToUpload {
  /** From 1. */
  number: number;
  sizeBytes: number;
  /** Base64 of the part's CRC-32 (4 bytes) or MD5 (16): storage checks it. */
  checksum: string;
}
export interface UploadedParts {
  checksum: PartChecksum;
  parts: UploadedPart[];
}

/** Multipart uploads whose links are asked for part by part, so that they can be gone on with. */
export interface PartUploads {
  /** Answers the id of an upload whose parts are told by `checksum`. */
  beginUpload(key: string, checksum: PartChecksum): Promise<string>;
  /** The parts storage has; undefined where it knows no such upload of `key`. */
  uploadedParts(key: string, uploadId: string): Promise<UploadedParts | undefined>;
  /** How to PUT exactly this part, within `lifetimeSeconds`. */
  partLink(
    key: string,
    uploadId: string,
    part: PartToUpload,
    lifetimeSeconds?: number,
  ): Promise<PutLink>;
}

const PART_LIFETIME_SECONDS = 3600;

export function partUploads({ client, name }: Bucket, presign: Presign): PartUploads {
  return {
    async beginUpload(key, checksum) {
      const answer = await attempt('create upload', () =>
        client.send(
          new CreateMultipartUploadCommand({
            Bucket: name,
            Key: key,
            ...(checksum === 'crc32' ? { ChecksumAlgorithm: 'CRC32' } : {}),
          }),
        ),
      );
      if (answer?.UploadId === undefined)
        throw new Error('storage started an upload without an id');
      return answer.UploadId;
    },
    async uploadedParts(key, uploadId) {
      const parts: UploadedPart[] = [];
      let checksum: PartChecksum = 'md5';
      let marker: string | undefined;
      do {
        const page = await knownUpload(() =>
          client.send(
            new ListPartsCommand({
              Bucket: name,
              Key: key,
              UploadId: uploadId,
              PartNumberMarker: marker,
            }),
          ),
        );
        if (page === undefined) return undefined;
        if (page.ChecksumAlgorithm === 'CRC32') checksum = 'crc32';
        for (const { PartNumber, Size, ETag, ChecksumCRC32: crc32 } of page.Parts ?? []) {
          if (PartNumber === undefined || ETag === undefined) continue;
          const known = { number: PartNumber, sizeBytes: Size ?? 0, etag: ETag };
          parts.push(crc32 === undefined ? known : { ...known, crc32 });
        }
        marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
      } while (marker !== undefined);
      return { checksum, parts };
    },
    async partLink(key, uploadId, part, lifetimeSeconds = PART_LIFETIME_SECONDS) {
      const headers = { [checksumHeader(part.checksum)]: part.checksum };
      const url = presign({
        method: 'PUT',
        key,
        query: { partNumber: String(part.number), uploadId },
        headers: { 'content-length': String(part.sizeBytes), ...headers },
        expiresInSeconds: lifetimeSeconds,
      });
      return { url, headers };
    },
  };
}

const checksumHeader = (sum: string): string =>
  partChecksumOf(sum) === 'crc32' ? 'x-amz-checksum-crc32' : 'content-md5';

/** An id of another server's making is refused as malformed by some, and unknown to the rest. */
async function knownUpload<T>(list: () => Promise<T>): Promise<T | undefined> {
  try {
    return await attempt('list parts', list);
  } catch (error) {
    if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 400)
      return undefined;
    throw error;
  }
}
