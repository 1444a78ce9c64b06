import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { systemClock } from '@karst/shared/clock.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { clientOf, expectRefusal } from './compatibility/connection.ts';
import { blobFiles, startLocalS3 } from './endpoint.ts';
import { type RawRequest, type Signed, sign } from './raw-request.ts';

let s3: Awaited<ReturnType<typeof startLocalS3>>;
let host: string;
beforeAll(async () => {
  s3 = await startLocalS3({ buckets: ['wire'] });
  host = s3.endpoint.slice('http://'.length);
});
afterAll(() => s3.stop());

const sha256 = (text: string | Buffer) => createHash('sha256').update(text).digest('hex');

type Answer = { status: number; code: string | undefined };
function send(raw: Omit<RawRequest, 'host'>, body: (signed: Signed) => Buffer | string) {
  const signed = sign({ ...raw, host });
  return new Promise<Answer>((resolve, reject) => {
    const options = { method: raw.method, path: raw.path, headers: signed.headers };
    const sent = httpRequest(s3.endpoint, options, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString();
      resolve({ status: response.statusCode ?? 0, code: /<Code>(.*?)</.exec(text)?.[1] });
    });
    sent.on('error', reject).end(body(signed));
  });
}

const textAt = async (key: string) => {
  const found = await clientOf(s3).send(new GetObjectCommand({ Bucket: 'wire', Key: key }));
  return found.Body?.transformToString();
};
const expectAbsent = (key: string) =>
  expectRefusal(
    clientOf(s3).send(new HeadObjectCommand({ Bucket: 'wire', Key: key })),
    'NotFound',
    404,
  );

const trailerLine = `x-amz-checksum-sha256:${createHash('sha256').update('hello world').digest('base64')}\n`;
type Chunking = { trailer?: string; spoil?: 'chunk' | 'trailer' | 'checksum' };

/** `hello world` in two signed chunks, with or without a signed trailer. */
function signedChunks(signed: Signed, { trailer, spoil }: Chunking): string {
  let body = '';
  for (const data of ['hello ', 'world', '']) {
    const signature = signed.signChunk(data);
    const shown = spoil === 'chunk' && data === 'world' ? signature.replace(/./g, '0') : signature;
    body += `${data.length.toString(16)};chunk-signature=${shown}\r\n${data}`;
    if (data !== '') body += '\r\n';
  }
  if (trailer !== undefined) {
    const signature = signed.signTrailer(spoil === 'trailer' ? `${trailer}x` : trailer);
    body += `${trailer.trimEnd()}\r\nx-amz-trailer-signature:${signature}\r\n`;
  }
  return `${body}\r\n`;
}

function sendChunked(key: string, chunking: Chunking): Promise<Answer> {
  const headers: Record<string, string> = {
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': '11',
  };
  if (chunking.trailer) headers['x-amz-trailer'] = 'x-amz-checksum-sha256';
  const payloadHash = `STREAMING-AWS4-HMAC-SHA256-PAYLOAD${chunking.trailer ? '-TRAILER' : ''}`;
  return send({ method: 'PUT', path: `/wire/${key}`, payloadHash, headers }, (signed) =>
    signedChunks(signed, chunking),
  );
}

it('takes signed chunks, with and without a signed trailer', async () => {
  expect(await sendChunked('chunked', {})).toEqual({ status: 200, code: undefined });
  expect(await textAt('chunked')).toBe('hello world');
  const answer = await sendChunked('chunked-trailer', { trailer: trailerLine });
  expect(answer).toEqual({ status: 200, code: undefined });
  expect(await textAt('chunked-trailer')).toBe('hello world');
});

it('refuses a wrong chunk signature, a wrong trailer signature and a wrong trailing checksum', async () => {
  const refused = { status: 403, code: 'SignatureDoesNotMatch' };
  expect(await sendChunked('bad', { spoil: 'chunk' })).toEqual(refused);
  expect(await sendChunked('bad', { trailer: trailerLine, spoil: 'trailer' })).toEqual(refused);
  const wrong = `x-amz-checksum-sha256:${Buffer.alloc(32).toString('base64')}\n`;
  const answer = await sendChunked('bad', { trailer: wrong });
  expect(answer).toEqual({ status: 400, code: 'BadDigest' });
  await expectAbsent('bad');
});

it('answers a client whose long body is refused at its first chunk', async () => {
  const chunk = `4;chunk-signature=${'0'.repeat(64)}\r\ndata\r\n`;
  const headers = { 'x-amz-decoded-content-length': `${4_000_000}` };
  const payloadHash = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
  const answer = await send({ method: 'PUT', path: '/wire/long', payloadHash, headers }, () =>
    chunk.repeat(1_000_000 / 4),
  );
  expect(answer).toEqual({ status: 403, code: 'SignatureDoesNotMatch' });
});

it('refuses a body that is not the one whose hash was signed', async () => {
  const raw = { method: 'PUT', path: '/wire/lied', payloadHash: sha256('promised') };
  const answer = await send(raw, () => 'delivered');
  expect(answer).toEqual({ status: 400, code: 'XAmzContentSHA256Mismatch' });
  await expectAbsent('lied');
});

it('refuses a header-signed request from over 15 minutes ago or ahead', async () => {
  for (const offsetMs of [-16 * 60_000, 16 * 60_000]) {
    const atMs = systemClock.nowMs() + offsetMs;
    const raw = { method: 'GET', path: '/wire/x', payloadHash: 'UNSIGNED-PAYLOAD', atMs };
    const answer = await send(raw, () => '');
    expect(answer).toEqual({ status: 403, code: 'RequestTimeTooSkewed' });
  }
});

it.each([
  ['x-amz-server-side-encryption', 'AES256'],
  ['x-amz-tagging', 'a=b'],
  ['x-amz-acl', 'public-read'],
  ['x-amz-storage-class', 'GLACIER'],
  ['x-amz-checksum-xxhash64', 'AAAAAAAAAAA='],
])('refuses %s rather than ignoring it', async (name, value) => {
  const raw = { method: 'PUT', path: '/wire/asked', payloadHash: sha256('x') };
  const answer = await send({ ...raw, headers: { [name]: value } }, () => 'x');
  expect(answer).toEqual({ status: 501, code: 'NotImplemented' });
  await expectAbsent('asked');
});

it.each([
  ['a NUL in the key', '/wire/a%00b', 'InvalidArgument'],
  ['a key that is not UTF-8', '/wire/%ff', 'InvalidURI'],
])('refuses %s', async (_, path, code) => {
  const answer = await send({ method: 'PUT', path, payloadHash: sha256('x') }, () => 'x');
  expect(answer).toEqual({ status: 400, code });
});

it('refuses an upload without a length', async () => {
  const headers = { 'transfer-encoding': 'chunked' };
  const raw = { method: 'PUT', path: '/wire/endless', payloadHash: 'UNSIGNED-PAYLOAD', headers };
  expect(await send(raw, () => 'x')).toEqual({ status: 411, code: 'MissingContentLength' });
});

it('keeps client names out of the filesystem', async () => {
  const put = { Bucket: 'wire', Key: '../../../escape', Body: 'contained' };
  await clientOf(s3).send(new PutObjectCommand(put));
  for (const up of ['..', '../..', '../../..']) {
    await expect(readFile(join(s3.dir, up, 'escape'))).rejects.toThrow('ENOENT');
  }
  for (const name of await blobFiles(s3.dir)) expect(name).toMatch(/^[0-9a-f-]{36}$/);
});

it('keeps the old object and no temporary file when an upload is cut mid-body', async () => {
  await clientOf(s3).send(new PutObjectCommand({ Bucket: 'wire', Key: 'cut', Body: 'old' }));
  const before = (await blobFiles(s3.dir)).length;
  const signed = sign({
    method: 'PUT',
    path: '/wire/cut',
    host,
    payloadHash: 'UNSIGNED-PAYLOAD',
    headers: { 'content-length': '10000000' },
  });
  const lines = Object.entries(signed.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket = connect(Number(new URL(s3.endpoint).port), '127.0.0.1');
  socket.write(`PUT /wire/cut HTTP/1.1\r\n${lines.join('')}\r\n`);
  socket.write(Buffer.alloc(3_000_000));
  await expect
    .poll(async () => (await blobFiles(s3.dir)).length, { timeout: 30_000 })
    .toBe(before + 1);
  socket.destroy();
  await expect.poll(async () => (await blobFiles(s3.dir)).length, { timeout: 30_000 }).toBe(before);
  expect(await textAt('cut')).toBe('old');
});

it('deletes the blobs of replaced and deleted objects', async () => {
  const before = (await blobFiles(s3.dir)).length;
  const client = clientOf(s3);
  for (const Body of ['one', 'two', 'three']) {
    await client.send(new PutObjectCommand({ Bucket: 'wire', Key: 'replaced', Body }));
  }
  expect((await blobFiles(s3.dir)).length).toBe(before + 1);
});
