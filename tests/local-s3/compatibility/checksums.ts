import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type ChecksumMode,
  clientOf,
  expectRefusal,
  patterned,
  type Subject,
} from './connection.ts';

/** The SDK's two ways with checksums, and every claim about a body held to it. */
export function checksumChecks(subject: Subject): void {
  const at = (key: string) => ({ Bucket: subject.bucket, Key: key });
  const modes: ChecksumMode[] = ['WHEN_SUPPORTED', 'WHEN_REQUIRED'];

  describe.each(modes)('with SDK checksums %s', (mode) => {
    let client: S3Client;
    beforeAll(() => {
      client = clientOf(subject.connection, mode);
    });

    it('puts and gets a buffer', async () => {
      const body = patterned(300_000, 1);
      await client.send(new PutObjectCommand({ ...at('buffer'), Body: body }));
      const found = await client.send(new GetObjectCommand(at('buffer')));
      expect(body.equals((await found.Body?.transformToByteArray()) ?? Buffer.alloc(0))).toBe(true);
    });

    it('puts a stream and stores its bytes without any framing', async () => {
      const body = patterned(3_000_000, 2);
      const chunks = [body.subarray(0, 10), body.subarray(10, 1_000_000), body.subarray(1_000_000)];
      const Body = Readable.from(chunks);
      await client.send(
        new PutObjectCommand({ ...at('stream'), Body, ContentLength: body.length }),
      );
      const found = await client.send(new GetObjectCommand(at('stream')));
      expect(found.ContentEncoding).toBeUndefined();
      expect(body.equals((await found.Body?.transformToByteArray()) ?? Buffer.alloc(0))).toBe(true);
    });

    it('deletes many keys', async () => {
      await client.send(new PutObjectCommand({ ...at('gone'), Body: 'x' }));
      const Delete = { Objects: [{ Key: 'gone' }] };
      const done = await client.send(new DeleteObjectsCommand({ Bucket: subject.bucket, Delete }));
      expect(done.Deleted?.map((one) => one.Key)).toEqual(['gone']);
    });
  });

  const algorithms = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;
  it.each(algorithms)('verifies, keeps and returns %s', async (algorithm) => {
    const body = patterned(100_003, 3);
    const sent = await subject.client.send(
      new PutObjectCommand({ ...at(algorithm), Body: body, ChecksumAlgorithm: algorithm }),
    );
    const field = `Checksum${algorithm}` as const;
    expect(sent[field]).toBeTruthy();
    const head = await subject.client.send(
      new HeadObjectCommand({ ...at(algorithm), ChecksumMode: 'ENABLED' }),
    );
    expect(head[field]).toBe(sent[field]);
    expect(head.ChecksumType).toBe('FULL_OBJECT');
    const plain = await subject.client.send(new HeadObjectCommand(at(algorithm)));
    expect(plain[field]).toBeUndefined();
  });

  const zeros = (sizeBytes: number) => Buffer.alloc(sizeBytes).toString('base64');
  it.each([
    ['ChecksumCRC32', zeros(4)],
    ['ChecksumCRC32C', zeros(4)],
    ['ChecksumCRC64NVME', zeros(8)],
    ['ChecksumSHA1', zeros(20)],
    ['ChecksumSHA256', zeros(32)],
    ['ContentMD5', zeros(16)],
  ])('refuses a body that does not match its %s and keeps the old object', async (field, value) => {
    await subject.client.send(new PutObjectCommand({ ...at('claimed'), Body: 'old' }));
    const sent = subject.client.send(
      new PutObjectCommand({ ...at('claimed'), Body: 'new body', [field]: value }),
    );
    await expectRefusal(sent, 'BadDigest', 400);
    const found = await subject.client.send(new GetObjectCommand(at('claimed')));
    expect(await found.Body?.transformToString()).toBe('old');
  });

  it('accepts a body that matches its Content-MD5', async () => {
    const ContentMD5 = createHash('md5').update('right').digest('base64');
    await subject.client.send(new PutObjectCommand({ ...at('md5'), Body: 'right', ContentMD5 }));
  });
}
