import {
  CreateBucketCommand,
  DeleteBucketCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { expectRefusal, type Subject } from './connection.ts';

// U+FFFD sorts before U+1F3AC in UTF-8, behind it in UTF-16: both must be there to tell them apart.
const keys = [
  'a',
  'a!',
  'a/',
  'a/1',
  'a/2/x',
  'a0',
  'b <&> "q"',
  'b+c',
  'frames/0001.png',
  'frames/0002.png',
  'z/\u{fffd}',
  'z/\u{1f3ac}',
  'zebra',
  'é',
];

/** Buckets, and listing what is in them. */
export function listingChecks(subject: Subject): void {
  const list = (input: Partial<ListObjectsV2CommandInput> = {}) =>
    subject.client.send(new ListObjectsV2Command({ Bucket: subject.bucket, ...input }));

  async function pages(input: Partial<ListObjectsV2CommandInput>): Promise<string[]> {
    const found: string[] = [];
    for (let token: string | undefined, more = true; more; ) {
      const page = await list({ ...input, ContinuationToken: token });
      const names = [...(page.Contents ?? []), ...(page.CommonPrefixes ?? [])];
      expect(page.KeyCount).toBe(names.length);
      expect(names.length).toBeLessThanOrEqual(input.MaxKeys ?? 1000);
      for (const one of page.Contents ?? []) found.push(one.Key ?? '');
      for (const one of page.CommonPrefixes ?? []) found.push(`${one.Prefix}*`);
      token = page.NextContinuationToken;
      more = page.IsTruncated === true;
      expect(more).toBe(token !== undefined);
    }
    return found;
  }

  describe('listing', () => {
    beforeAll(async () => {
      for (const key of [...keys].reverse()) {
        await subject.client.send(
          new PutObjectCommand({ Bucket: subject.bucket, Key: key, Body: key }),
        );
      }
    });

    it('lists keys in the order of their UTF-8 bytes', async () => {
      expect(await pages({})).toEqual(keys);
    });

    it('says size, ETag and time of each object', async () => {
      const { Contents } = await list({ Prefix: 'zebra' });
      const etag = '"21c2e59531c8710156d34a3c30ac81d5"'.length;
      expect(Contents).toHaveLength(1);
      expect(Contents?.[0]).toMatchObject({ Key: 'zebra', Size: 5, StorageClass: 'STANDARD' });
      expect(Contents?.[0]?.ETag).toHaveLength(etag);
      expect(Contents?.[0]?.LastModified).toBeInstanceOf(Date);
    });

    it('lists only keys with the prefix', async () => {
      expect(await pages({ Prefix: 'a/' })).toEqual(['a/', 'a/1', 'a/2/x']);
      expect(await pages({ Prefix: 'nothing' })).toEqual([]);
    });

    it('rolls keys up to common prefixes at the delimiter', async () => {
      expect(await pages({ Delimiter: '/' })).toEqual([
        ...['a', 'a!', 'a0', 'b <&> "q"', 'b+c', 'zebra', 'é'],
        ...['a/*', 'frames/*', 'z/*'],
      ]);
      expect(await pages({ Delimiter: '/', Prefix: 'a/' })).toEqual(['a/', 'a/1', 'a/2/*']);
    });

    it.each([1, 2, 3, 5])('pages by %i without losing or repeating a key', async (MaxKeys) => {
      expect(await pages({ MaxKeys })).toEqual(keys);
      const rolled = await pages({ MaxKeys, Delimiter: '/' });
      expect(rolled.sort()).toEqual((await pages({ Delimiter: '/' })).sort());
    });

    it('starts after a key, present or not', async () => {
      expect(await pages({ StartAfter: 'frames/0001.png' })).toEqual(keys.slice(9));
      expect(await pages({ StartAfter: 'frames/0001.x' })).toEqual(keys.slice(9));
    });

    it('encodes names when asked, so that any key survives XML', async () => {
      const { Contents, EncodingType } = await list({ EncodingType: 'url' });
      expect(EncodingType).toBe('url');
      expect(Contents?.map((one) => decodeURIComponent(one.Key ?? ''))).toEqual(keys);
    });

    it('gives nothing for max-keys 0', async () => {
      expect(await list({ MaxKeys: 0 })).toMatchObject({ KeyCount: 0, IsTruncated: false });
    });

    it('refuses a continuation token it did not give', async () => {
      await expectRefusal(list({ ContinuationToken: 'bogus!' }), 'InvalidArgument', 400);
    });

    it('pages the old listing by marker', async () => {
      const found: string[] = [];
      for (let marker: string | undefined, more = true; more; ) {
        const page = await subject.client.send(
          new ListObjectsCommand({ Bucket: subject.bucket, MaxKeys: 4, Marker: marker }),
        );
        found.push(...(page.Contents ?? []).map((one) => one.Key ?? ''));
        marker = found.at(-1);
        more = page.IsTruncated === true;
      }
      expect(found).toEqual(keys);
    });
  });

  describe('buckets', () => {
    it('creates, finds, lists and deletes a bucket', async () => {
      const Bucket = `${subject.bucket}-two`;
      await subject.client.send(new CreateBucketCommand({ Bucket }));
      await subject.client.send(new HeadBucketCommand({ Bucket }));
      const { Buckets } = await subject.client.send(new ListBucketsCommand({}));
      expect(Buckets?.map((one) => one.Name)).toContain(Bucket);
      await subject.client.send(new DeleteBucketCommand({ Bucket }));
      await expectRefusal(subject.client.send(new HeadBucketCommand({ Bucket })), 'NotFound', 404);
    });

    it('refuses to delete a bucket that holds something', async () => {
      const Bucket = subject.bucket;
      await subject.client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }));
      const deleted = subject.client.send(new DeleteBucketCommand({ Bucket }));
      await expectRefusal(deleted, 'BucketNotEmpty', 409);
    });

    it('refuses a name that no bucket may have', async () => {
      const made = subject.client.send(new CreateBucketCommand({ Bucket: 'No_Capitals' }));
      await expectRefusal(made, 'InvalidBucketName', 400);
    });
  });
}
