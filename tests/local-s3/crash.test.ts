import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { PassThrough, Readable } from 'node:stream';
import {
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { clientOf, expectRefusal, patterned } from './compatibility/connection.ts';
import { blobFiles, startLocalS3, temporaryDir } from './endpoint.ts';
import { type EndpointProcess, endProcess, startProcess } from './process.ts';

let folder: Awaited<ReturnType<typeof temporaryDir>>;
let running: EndpointProcess[] = [];
beforeEach(async () => {
  folder = await temporaryDir();
});
afterEach(async () => {
  for (const { child } of running) await endProcess(child, 'SIGKILL');
  running = [];
  await folder.remove();
});

async function start(options: Parameters<typeof startProcess>[1] = {}): Promise<EndpointProcess> {
  const started = await startProcess(folder.dir, options);
  running.push(started);
  return started;
}
const put = (s3: EndpointProcess, Key: string, Body: string | Buffer) =>
  clientOf(s3).send(new PutObjectCommand({ Bucket: 'farm', Key, Body }));
async function bytesAt(s3: EndpointProcess, Key: string): Promise<Buffer> {
  const found = await clientOf(s3).send(new GetObjectCommand({ Bucket: 'farm', Key }));
  return Buffer.from((await found.Body?.transformToByteArray()) ?? []);
}

it('keeps every acknowledged write through SIGKILL, and sweeps what a cut upload left', async () => {
  const first = await start();
  await put(first, 'old', 'old');
  const Body = new PassThrough();
  const cut = clientOf(first)
    .send(new PutObjectCommand({ Bucket: 'farm', Key: 'old', Body, ContentLength: 50_000_000 }))
    .catch((error: Error) => error);
  Body.write(patterned(2_000_000));
  await expect.poll(async () => (await blobFiles(folder.dir)).length, { timeout: 30_000 }).toBe(2);
  const last = patterned(200_000, 7);
  await put(first, 'acknowledged', last);
  await endProcess(first.child, 'SIGKILL');
  expect(await cut).toBeInstanceOf(Error);
  Body.destroy();
  expect(await blobFiles(folder.dir)).toHaveLength(3);

  const second = await start();
  expect(await blobFiles(folder.dir)).toHaveLength(2);
  expect((await bytesAt(second, 'old')).toString()).toBe('old');
  expect((await bytesAt(second, 'acknowledged')).equals(last)).toBe(true);
});

it('never shows a mixture when killed again and again amid writes', async () => {
  const bodyOf = (round: number, index: number) =>
    patterned(50_000 + index * 999, round * 40 + index);
  const acknowledged = new Map<string, Buffer[]>();
  for (let round = 0; round < 4; round += 1) {
    const s3 = await start();
    let answers = 0;
    const writes = Array.from({ length: 30 }, async (_, index) => {
      const key = `key/${index % 10}`;
      const body = bodyOf(round, index);
      acknowledged.set(key, [...(acknowledged.get(key) ?? []), body]);
      await put(s3, key, body).catch(() => undefined);
      answers += 1;
    });
    await expect
      .poll(() => answers, { interval: 1, timeout: 30_000 })
      .toBeGreaterThan(3 + round * 5);
    await endProcess(s3.child, 'SIGKILL');
    await Promise.all(writes);
  }
  const s3 = await start();
  const { Contents = [] } = await clientOf(s3).send(new ListObjectsV2Command({ Bucket: 'farm' }));
  expect(Contents.length).toBeGreaterThan(0);
  expect(await blobFiles(folder.dir)).toHaveLength(Contents.length);
  for (const { Key = '', Size } of Contents) {
    const bytes = await bytesAt(s3, Key);
    expect(bytes).toHaveLength(Size ?? -1);
    expect(acknowledged.get(Key)?.some((body) => body.equals(bytes))).toBe(true);
  }
});

it('carries a multipart upload across a restart', async () => {
  const at = { Bucket: 'farm', Key: 'resumed' };
  const first = await start();
  const { UploadId } = await clientOf(first).send(new CreateMultipartUploadCommand(at));
  const one = { ...at, UploadId, PartNumber: 1, Body: patterned(5 * 1024 ** 2) };
  const { ETag } = await clientOf(first).send(new UploadPartCommand(one));
  await endProcess(first.child, 'SIGKILL');
  const second = await start();
  const Parts = [{ PartNumber: 1, ETag }];
  const finish = { ...at, UploadId, MultipartUpload: { Parts } };
  const done = await clientOf(second).send(new CompleteMultipartUploadCommand(finish));
  // The answer may have been lost with the connection: asking again gives the same one.
  const again = await clientOf(second).send(new CompleteMultipartUploadCommand(finish));
  expect(again.ETag).toBe(done.ETag);
  expect((await bytesAt(second, 'resumed')).equals(one.Body)).toBe(true);
});

it('says 507 when no more can be written, keeps the old object and goes on serving', async () => {
  // 8192 blocks of 512 bytes: a file over 4 MiB fails to grow, as on a full disk.
  const s3 = await start({ fileBlocksMax: 8192 });
  await put(s3, 'full', 'old');
  const tooMuch = put(s3, 'full', patterned(6_000_000));
  await expectRefusal(tooMuch, 'InsufficientStorage', 507);
  expect(await blobFiles(folder.dir)).toHaveLength(1);
  expect((await bytesAt(s3, 'full')).toString()).toBe('old');
  await put(s3, 'full', 'new');
  expect((await bytesAt(s3, 'full')).toString()).toBe('new');
});

it('refuses to open a folder that another endpoint has open', async () => {
  await start();
  await expect(start()).rejects.toThrow('is another endpoint using it');
  await expect(startLocalS3({ dir: folder.dir })).rejects.toThrow('is another endpoint using it');
});

it('ends with 0 on SIGTERM and SIGINT, and when its parent goes if told to', async () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const s3 = await start();
    await put(s3, 'x', 'x');
    expect(await endProcess(s3.child, signal)).toBe(0);
  }
  const bound = await start({ env: { KARST_EXIT_WITH_PARENT: '1' } });
  const exited = once(bound.child, 'exit');
  bound.child.stdin?.end();
  expect((await exited)[0]).toBe(0);
});

it('says what is wrong with its settings', async () => {
  await expect(start({ env: { KARST_S3_SECRET_KEY: '' } })).rejects.toThrow(
    'KARST_S3_SECRET_KEY must be set',
  );
  await expect(start({ env: { KARST_S3_PORT: 'http' } })).rejects.toThrow('must be a port number');
  await expect(start({ env: { KARST_S3_BUCKETS: 'Bad_Name' } })).rejects.toThrow('not valid');
});

it('streams a 512 MiB multipart upload and its download in flat memory', async () => {
  const s3 = await start();
  const client = clientOf(s3);
  const at = { Bucket: 'farm', Key: 'large' };
  const peakBytes = async () => {
    const status = await readFile(`/proc/${s3.child.pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  };
  const mebibyte = patterned(1024 ** 2);
  const partMebibytes = 128;
  await put(s3, 'warm-up', mebibyte);
  const before = await peakBytes();

  const { UploadId } = await client.send(new CreateMultipartUploadCommand(at));
  const parts: CompletedPart[] = [];
  for (let PartNumber = 1; PartNumber <= 4; PartNumber += 1) {
    const Body = Readable.from(Array.from({ length: partMebibytes }, () => mebibyte));
    const ContentLength = partMebibytes * 1024 ** 2;
    const part = { ...at, UploadId, PartNumber, Body, ContentLength };
    const { ETag } = await client.send(new UploadPartCommand(part));
    parts.push({ PartNumber, ETag });
  }
  const finish = { ...at, UploadId, MultipartUpload: { Parts: parts } };
  await client.send(new CompleteMultipartUploadCommand(finish));
  const head = await client.send(new HeadObjectCommand(at));
  expect(head.ContentLength).toBe(512 * 1024 ** 2);
  const found = await client.send(new GetObjectCommand(at));
  let received = 0;
  if (found.Body instanceof Readable)
    for await (const chunk of found.Body) received += chunk.length;
  expect(received).toBe(head.ContentLength);
  expect((await peakBytes()) - before).toBeLessThan(100 * 1024 ** 2);
});
