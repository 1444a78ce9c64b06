import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  HeadObjectCommand,
} from '@aws-sdk/client-s3';
import type { PartChecksum } from '@karst/shared/protocol/asset-uploads.ts';
import {
  MULTIPART_THRESHOLD_BYTES,
  partSizeBytes,
  type Upload,
} from '@karst/shared/protocol/files.ts';
import type { Bucket } from './bucket.ts';
import { checksumProbe } from './checksum-probe.ts';
import { attempt, classify, isS3Error } from './errors.ts';
import { type PartUploads, partUploads } from './part-uploads.ts';
import type { Presign } from './presign.ts';

export interface UploadFile {
  /** Lower-case hexadecimal. Storage checks it for single uploads. */
  sha256: string;
  sizeBytes: number;
  /** Base64 MD5 of each part; needed (one for each of `partCount`) above the multipart threshold. */
  partMd5?: readonly string[] | undefined;
}
/**
 * completed: the object is whole (also when an earlier call completed it). no_such_upload: nothing
 * to complete. invalid_parts: parts are missing, changed or too small; the upload goes on.
 */
export type CompleteResult = 'completed' | 'no_such_upload' | 'invalid_parts';

export interface Uploads extends PartUploads {
  /** How the holder of the answer PUTs exactly this file to `key`, within an hour. */
  singleUpload(key: string, file: UploadFile): Promise<SingleUpload>;
  /** How the holder of the answer uploads exactly this file to `key`, within an hour. */
  createUpload(key: string, file: UploadFile): Promise<Upload>;
  /** What parts of inputs are told by: storage is asked once whether it holds a body to its CRC-32. */
  partChecksum(): Promise<PartChecksum>;
  /** `crc32s`: of the parts, base64, where the upload was begun for them. */
  completeUpload(
    key: string,
    uploadId: string,
    etags: readonly string[],
    crc32s?: readonly (string | undefined)[],
  ): Promise<CompleteResult>;
  abortUpload(key: string, uploadId: string): Promise<void>;
}

type SingleUpload = Extract<Upload, { kind: 'single' }>;

const UPLOAD_LIFETIME_SECONDS = 3600;
/** Parts of big files are uploaded one after the other: the last may start hours later. */
const MULTIPART_LIFETIME_SECONDS = 24 * 3600;

/** How many parts a file travels in: 1 up to the multipart threshold. */
export const partCount = (sizeBytes: number): number =>
  sizeBytes <= MULTIPART_THRESHOLD_BYTES ? 1 : Math.ceil(sizeBytes / partSizeBytes(sizeBytes));

/** How many bytes part `number` (from 1) of a file that travels in parts has. */
export function bytesOfPart(sizeBytes: number, number: number): number {
  const size = partSizeBytes(sizeBytes);
  return Math.min(size, sizeBytes - (number - 1) * size);
}

export function uploadOperations(bucket: Bucket, presign: Presign): Uploads {
  const parts = partUploads(bucket, presign);
  const guarded = async <T>(operation: string, run: Promise<T>): Promise<T> => {
    try {
      return await run;
    } catch (error) {
      throw classify(operation, error);
    }
  };
  return {
    ...parts,
    singleUpload: (key, file) => createSingle(presign, key, file),
    createUpload: (key, file) =>
      guarded(
        'create upload',
        partCount(file.sizeBytes) === 1
          ? createSingle(presign, key, file)
          : createMultipart(parts, key, file),
      ),
    completeUpload: (key, uploadId, etags, crc32s) =>
      guarded('complete upload', complete(bucket, key, uploadId, etags, crc32s)),
    partChecksum: checksumProbe(bucket, parts),
    abortUpload: (key, uploadId) => guarded('abort upload', abort(bucket, key, uploadId)),
  };
}

async function createSingle(
  presign: Presign,
  key: string,
  file: UploadFile,
): Promise<SingleUpload> {
  const headers = {
    'content-length': String(file.sizeBytes),
    'x-amz-checksum-sha256': Buffer.from(file.sha256, 'hex').toString('base64'),
  };
  const expiresInSeconds = UPLOAD_LIFETIME_SECONDS;
  const url = presign({ method: 'PUT', key, headers, expiresInSeconds });
  return { kind: 'single', url, headers };
}

async function createMultipart(
  uploads: PartUploads,
  key: string,
  file: UploadFile,
): Promise<Upload> {
  const parts = partCount(file.sizeBytes);
  const md5s = file.partMd5 ?? [];
  if (md5s.length !== parts) {
    throw new RangeError(`${parts} parts need as many MD5 sums, found ${md5s.length}`);
  }
  const uploadId = await uploads.beginUpload(key, 'md5');
  const partUrls = await Promise.all(
    md5s.map(async (checksum, index) => {
      const number = index + 1;
      const part = { number, sizeBytes: bytesOfPart(file.sizeBytes, number), checksum };
      return (await uploads.partLink(key, uploadId, part, MULTIPART_LIFETIME_SECONDS)).url;
    }),
  );
  const size = partSizeBytes(file.sizeBytes);
  return { kind: 'multipart', uploadId, partSizeBytes: size, partUrls };
}

async function complete(
  { client, name }: Bucket,
  key: string,
  uploadId: string,
  etags: readonly string[],
  crc32s: readonly (string | undefined)[] = [],
): Promise<CompleteResult> {
  try {
    await client.send(
      new CompleteMultipartUploadCommand({
        Bucket: name,
        Key: key,
        UploadId: uploadId,
        MultipartUpload: {
          Parts: etags.map((ETag, i) => ({
            ...{ ETag, PartNumber: i + 1 },
            ...(crc32s[i] === undefined ? {} : { ChecksumCRC32: crc32s[i] }),
          })),
        },
      }),
    );
    return 'completed';
  } catch (error) {
    if (isS3Error(error, 'NoSuchUpload')) {
      // The answer of an earlier call may have been lost on its way.
      const head = () => client.send(new HeadObjectCommand({ Bucket: name, Key: key }));
      return (await attempt('head', head)) === undefined ? 'no_such_upload' : 'completed';
    }
    if (isS3Error(error, 'InvalidPart', 'InvalidPartOrder', 'EntityTooSmall', 'MalformedXML')) {
      return 'invalid_parts';
    }
    throw error;
  }
}

async function abort({ client, name }: Bucket, key: string, uploadId: string): Promise<void> {
  try {
    await client.send(
      new AbortMultipartUploadCommand({ Bucket: name, Key: key, UploadId: uploadId }),
    );
  } catch (error) {
    if (!isS3Error(error, 'NoSuchUpload')) throw error;
  }
}
