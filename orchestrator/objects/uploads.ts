import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  HeadObjectCommand,
} from '@aws-sdk/client-s3';
import {
  MULTIPART_THRESHOLD_BYTES,
  partSizeBytes,
  type Upload,
} from '@karst/shared/protocol/files.ts';
import { type PartChecksum, partChecksumOf } from '@karst/shared/protocol/part-checksums.ts';
import type { Bucket } from './bucket.ts';
import { checksumProbe } from './checksum-probe.ts';
import { attempt, classify, isS3Error } from './errors.ts';
import { type PartUploads, partUploads } from './part-uploads.ts';
import type { Presign } from './presign.ts';

export interface UploadFile {
  /** Lower-case hexadecimal. Storage checks it for single uploads. */
  sha256: string;
  sizeBytes: number;
  /** Base64, all CRC-32 or all MD5; one for each of `partCount` above the multipart threshold. */
  partSums?: readonly string[] | undefined;
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
  /** What parts are told by: storage is asked once whether it holds a body to its CRC-32. */
  partChecksum(): Promise<PartChecksum>;
  completeUpload(key: string, uploadId: string, etags: readonly string[]): Promise<CompleteResult>;
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
    completeUpload: (key, uploadId, etags) =>
      guarded('complete upload', complete(bucket, parts, key, { uploadId, etags })),
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
  const count = partCount(file.sizeBytes);
  const [first, ...others] = file.partSums ?? [];
  if (first === undefined || others.length + 1 !== count) {
    throw new RangeError(`${count} parts need as many sums, found ${file.partSums?.length ?? 0}`);
  }
  const uploadId = await uploads.beginUpload(key, partChecksumOf(first));
  const parts = await Promise.all(
    [first, ...others].map((checksum, index) => {
      const number = index + 1;
      const part = { number, sizeBytes: bytesOfPart(file.sizeBytes, number), checksum };
      return uploads.partLink(key, uploadId, part, MULTIPART_LIFETIME_SECONDS);
    }),
  );
  return { kind: 'multipart', uploadId, partSizeBytes: partSizeBytes(file.sizeBytes), parts };
}

async function complete(
  { client, name }: Bucket,
  uploads: PartUploads,
  key: string,
  { uploadId, etags }: { uploadId: string; etags: readonly string[] },
): Promise<CompleteResult> {
  // Storage that was told sums of parts wants to hear them once more.
  const begun = await uploads.uploadedParts(key, uploadId);
  const crc32s = new Map(begun?.parts.map(({ number, crc32 }) => [number, crc32]));
  try {
    await client.send(
      new CompleteMultipartUploadCommand({
        Bucket: name,
        Key: key,
        UploadId: uploadId,
        MultipartUpload: {
          Parts: etags.map((ETag, i) => {
            const ChecksumCRC32 = crc32s.get(i + 1);
            const part = { ETag, PartNumber: i + 1 };
            return ChecksumCRC32 === undefined ? part : { ...part, ChecksumCRC32 };
          }),
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
