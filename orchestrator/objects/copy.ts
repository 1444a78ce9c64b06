import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  type S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';

/** S3's bound for one CopyObject, bytes. */
const COPY_BYTES_MAX = 5 * 1024 ** 3;
const PART_BYTES = 1024 ** 3;

interface Source {
  key: string;
  sizeBytes: number;
}

/** Copies inside the bucket without the bytes passing here; above 5 GiB in parts. */
export async function copyObject(
  client: S3Client,
  bucket: string,
  source: Source,
  to: string,
  signal?: AbortSignal,
  singleBytesMax = COPY_BYTES_MAX,
  partBytes = PART_BYTES,
): Promise<true> {
  const copySource = [bucket, ...source.key.split('/')].map(encodeURIComponent).join('/');
  const options = signal === undefined ? {} : { abortSignal: signal };
  if (source.sizeBytes <= singleBytesMax) {
    await client.send(
      new CopyObjectCommand({ Bucket: bucket, Key: to, CopySource: copySource }),
      options,
    );
    return true;
  }
  const { UploadId } = await client.send(
    new CreateMultipartUploadCommand({ Bucket: bucket, Key: to }),
    options,
  );
  const upload = { Bucket: bucket, Key: to, UploadId };
  try {
    const parts: { PartNumber: number; ETag: string | undefined }[] = [];
    for (let start = 0; start < source.sizeBytes; start += partBytes) {
      const PartNumber = parts.length + 1;
      const end = Math.min(start + partBytes, source.sizeBytes) - 1;
      const part = await client.send(
        new UploadPartCopyCommand({
          ...upload,
          PartNumber,
          CopySource: copySource,
          CopySourceRange: `bytes=${start}-${end}`,
        }),
        options,
      );
      parts.push({ PartNumber, ETag: part.CopyPartResult?.ETag });
    }
    await client.send(
      new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } }),
      options,
    );
    return true;
  } catch (error) {
    await client.send(new AbortMultipartUploadCommand(upload)).catch((abortError: unknown) => {
      throw new AggregateError([error, abortError], `copy to ${to} failed and left its parts`);
    });
    throw error;
  }
}
