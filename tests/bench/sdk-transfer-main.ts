import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { inLanes } from './in-lanes.ts';

/**
 * What a person would write with the AWS SDK and nothing else: `upload DIR` or `download DIR` of every
 * file below it, many at once; files above 64 MiB in parts of that size, four at once.
 */
const PART_BYTES = 64 * 1024 * 1024;
const PARTS_AT_ONCE = 4;

const env = (name: string) => {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
};

const Bucket = env('BENCH_BUCKET');
const client = new S3Client({
  endpoint: env('BENCH_ENDPOINT'),
  region: 'us-east-1',
  forcePathStyle: true,
  requestChecksumCalculation: 'WHEN_REQUIRED',
  responseChecksumValidation: 'WHEN_REQUIRED',
  credentials: { accessKeyId: env('BENCH_ACCESS_KEY'), secretAccessKey: env('BENCH_SECRET_KEY') },
});

async function uploadSmall(file: string, Key: string, sizeBytes: number): Promise<void> {
  const Body = createReadStream(file);
  await client.send(new PutObjectCommand({ Bucket, Key, Body, ContentLength: sizeBytes }));
}

async function uploadLarge(file: string, Key: string, sizeBytes: number): Promise<void> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const parts = Array.from({ length: Math.ceil(sizeBytes / PART_BYTES) }, (_, i) => i);
  const sent: { PartNumber: number; ETag: string | undefined }[] = [];
  const lane = async () => {
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      const start = part * PART_BYTES;
      const end = Math.min(start + PART_BYTES, sizeBytes);
      const PartNumber = part + 1;
      const { ETag } = await client.send(
        new UploadPartCommand({
          ...{ Bucket, Key, UploadId, PartNumber },
          Body: createReadStream(file, { start, end: end - 1 }),
          ContentLength: end - start,
        }),
      );
      sent[part] = { PartNumber, ETag };
    }
  };
  await Promise.all(Array.from({ length: PARTS_AT_ONCE }, lane));
  const MultipartUpload = { Parts: sent };
  await client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload }));
}

async function download(file: string, Key: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  if (!(Body instanceof Readable)) throw new Error('expected a stream');
  await pipeline(Body, createWriteStream(file));
}

const [action, sourceDir = '', targetDir = ''] = process.argv.slice(2);
const names: { name: string; sizeBytes: number }[] = [];
for (const entry of await readdir(sourceDir, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const file = join(entry.parentPath, entry.name);
  names.push({ name: file.slice(sourceDir.length + 1), sizeBytes: (await stat(file)).size });
}
await inLanes(names, async ({ name, sizeBytes }) => {
  const key = `bench/${name}`;
  if (action === 'download') return await download(join(targetDir, name), key);
  const file = join(sourceDir, name);
  if (sizeBytes > PART_BYTES) return await uploadLarge(file, key, sizeBytes);
  return await uploadSmall(file, key, sizeBytes);
});
client.destroy();
