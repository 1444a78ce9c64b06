import {
  CreateMultipartUploadCommand,
  ListPartsCommand,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import type { Bucket } from './bucket.ts';
import { attempt } from './errors.ts';
import type { Presign } from './presign.ts';

export interface UploadedPart {
  /** From 1. */
  number: number;
  sizeBytes: number;
  etag: string;
}
export interface PartToUpload {
  /** From 1. */
  number: number;
  sizeBytes: number;
  /** Base64 of the part's MD5: storage checks it. */
  md5: string;
}

/** Multipart uploads whose links are asked for part by part, so that they can be gone on with. */
export interface PartUploads {
  /** Answers the upload's id. */
  beginUpload(key: string): Promise<string>;
  /** The parts storage has; undefined where it knows no such upload of `key`. */
  uploadedParts(key: string, uploadId: string): Promise<UploadedPart[] | undefined>;
  /** A URL to PUT exactly this part to, within `lifetimeSeconds`, with its MD5 as Content-MD5. */
  partUrl(
    key: string,
    uploadId: string,
    part: PartToUpload,
    lifetimeSeconds?: number,
  ): Promise<string>;
}

const PART_LIFETIME_SECONDS = 3600;

export function partUploads({ client, name }: Bucket, presign: Presign): PartUploads {
  return {
    async beginUpload(key) {
      const answer = await attempt('create upload', () =>
        client.send(new CreateMultipartUploadCommand({ Bucket: name, Key: key })),
      );
      if (answer?.UploadId === undefined)
        throw new Error('storage started an upload without an id');
      return answer.UploadId;
    },
    async uploadedParts(key, uploadId) {
      const parts: UploadedPart[] = [];
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
        for (const { PartNumber, Size, ETag } of page.Parts ?? []) {
          if (PartNumber === undefined || ETag === undefined) continue;
          parts.push({ number: PartNumber, sizeBytes: Size ?? 0, etag: ETag });
        }
        marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
      } while (marker !== undefined);
      return parts;
    },
    partUrl: async (key, uploadId, part, lifetimeSeconds = PART_LIFETIME_SECONDS) =>
      presign({
        method: 'PUT',
        key,
        query: { partNumber: String(part.number), uploadId },
        headers: { 'content-length': String(part.sizeBytes), 'content-md5': part.md5 },
        expiresInSeconds: lifetimeSeconds,
      }),
  };
}

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
