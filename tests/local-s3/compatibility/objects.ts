import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { expect, it } from 'vitest';
import { expectRefusal, patterned, type Subject } from './connection.ts';

/** Putting, getting, copying and deleting single objects. */
export function objectChecks(subject: Subject): void {
  const at = (key: string) => ({ Bucket: subject.bucket, Key: key });
  const put = (key: string, body: string | Buffer, more = {}) =>
    subject.client.send(new PutObjectCommand({ ...at(key), Body: body, ...more }));
  const get = (key: string, more = {}) =>
    subject.client.send(new GetObjectCommand({ ...at(key), ...more }));
  const textAt = async (key: string) => (await get(key)).Body?.transformToString();

  it('keeps the bytes, the content headers and the user metadata of an object', async () => {
    const headers = {
      ContentType: 'image/png',
      ContentDisposition: 'attachment; filename="a b.png"',
      CacheControl: 'no-cache',
      ContentEncoding: 'identity',
      ContentLanguage: 'de',
      Metadata: { job: '17', 'long-name': 'x; y, z' },
    };
    await put('kept', patterned(100_000), headers);
    const found = await get('kept');
    expect(found).toMatchObject(headers);
    expect(found.ContentLength).toBe(100_000);
    const bytes = await found.Body?.transformToByteArray();
    expect(patterned(100_000).equals(bytes ?? Buffer.alloc(0))).toBe(true);
  });

  it('gives the MD5 of the body as the ETag', async () => {
    expect((await put('etag', 'hello')).ETag).toBe('"5d41402abc4b2a76b9719d911017c592"');
  });

  it('answers HEAD with what GET would say, without the body', async () => {
    await put('head', 'twelve bytes', { Metadata: { a: 'b' } });
    const found = await subject.client.send(new HeadObjectCommand(at('head')));
    expect(found).toMatchObject({ ContentLength: 12, Metadata: { a: 'b' }, AcceptRanges: 'bytes' });
    expect(found.LastModified).toBeInstanceOf(Date);
  });

  it('stores an empty object', async () => {
    await put('empty', '');
    expect(await textAt('empty')).toBe('');
  });

  it('says NoSuchKey and NoSuchBucket for what is not there', async () => {
    await expectRefusal(get('nowhere'), 'NoSuchKey', 404);
    const elsewhere = { Bucket: `${subject.bucket}-x`, Key: 'k' };
    const lost = subject.client.send(new GetObjectCommand(elsewhere));
    await expectRefusal(lost, 'NoSuchBucket', 404);
  });

  it('replaces an object and its metadata whole', async () => {
    await put('replaced', 'the first, longer body', { Metadata: { old: '1' } });
    await put('replaced', 'second');
    const found = await get('replaced');
    expect(found.Metadata).toEqual({});
    expect(await found.Body?.transformToString()).toBe('second');
  });

  it.each([
    ['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=8-99', '89', 'bytes 8-9/10'],
    ['bytes=-99', '0123456789', 'bytes 0-9/10'],
  ])('serves the range %s', async (range, text, contentRange) => {
    await put('range', '0123456789');
    const found = await get('range', { Range: range });
    expect(found.$metadata.httpStatusCode).toBe(206);
    expect(found.ContentRange).toBe(contentRange);
    expect(await found.Body?.transformToString()).toBe(text);
  });

  it('refuses a range behind the end', async () => {
    await put('range', '0123456789');
    await expectRefusal(get('range', { Range: 'bytes=10-' }), 'InvalidRange', 416);
  });

  it('answers conditional reads with 304 and 412', async () => {
    const { ETag } = await put('conditional', 'x');
    const past = new Date('2001-01-01');
    const future = new Date('2100-01-01');
    const statusOf = (more: object) =>
      get('conditional', more).then(
        (found) => found.$metadata.httpStatusCode,
        (error) => error.$metadata.httpStatusCode,
      );
    expect(await statusOf({ IfMatch: ETag })).toBe(200);
    expect(await statusOf({ IfMatch: '"other"' })).toBe(412);
    expect(await statusOf({ IfNoneMatch: ETag })).toBe(304);
    expect(await statusOf({ IfNoneMatch: '"other"' })).toBe(200);
    expect(await statusOf({ IfModifiedSince: future })).toBe(304);
    expect(await statusOf({ IfModifiedSince: past })).toBe(200);
    expect(await statusOf({ IfUnmodifiedSince: past })).toBe(412);
    expect(await statusOf({ IfMatch: ETag, IfUnmodifiedSince: past })).toBe(200);
  });

  it('deletes an object, and deleting it again is fine', async () => {
    await put('deleted', 'x');
    for (let round = 0; round < 2; round += 1) {
      const done = await subject.client.send(new DeleteObjectCommand(at('deleted')));
      expect(done.$metadata.httpStatusCode).toBe(204);
    }
    await expectRefusal(get('deleted'), 'NoSuchKey', 404);
  });

  it('deletes many keys at once and names them, quietly if asked', async () => {
    const keys = ['many/1', 'many/2', 'many/<&>"é', 'many/&lt;&amp;#65;\r'];
    for (const quiet of [false, true]) {
      for (const key of keys) await put(key, key);
      const done = await subject.client.send(
        new DeleteObjectsCommand({
          Bucket: subject.bucket,
          Delete: { Quiet: quiet, Objects: [...keys, 'many/none'].map((Key) => ({ Key })) },
        }),
      );
      const named = (done.Deleted ?? []).map((one) => one.Key).sort();
      expect(named).toEqual(quiet ? [] : [...keys, 'many/none'].sort());
      for (const key of keys) await expectRefusal(get(key), 'NoSuchKey', 404);
    }
  });

  it('keeps an object beside another whose key continues it with a slash', async () => {
    await put('tree', 'file');
    await put('tree/', 'folder mark');
    await put('tree/leaf', 'leaf');
    expect(await textAt('tree')).toBe('file');
    expect(await textAt('tree/')).toBe('folder mark');
    expect(await textAt('tree/leaf')).toBe('leaf');
  });

  const roundTrip = async (key: string) => {
    await put(key, `body of ${key}`);
    expect(await textAt(key)).toBe(`body of ${key}`);
    const { Contents } = await subject.client.send(
      new ListObjectsV2Command({ Bucket: subject.bucket, Prefix: key, EncodingType: 'url' }),
    );
    expect(Contents?.map((one) => decodeURIComponent(one.Key ?? ''))).toEqual([key]);
    await subject.client.send(new DeleteObjectCommand(at(key)));
    await expectRefusal(get(key), 'NoSuchKey', 404);
  };

  it.each([
    ['../../escape'],
    ['/leading'],
    ['a//b'],
    ['./dot/../dots/.'],
    ['trailing/'],
    ['sp ace+plus%2Fpercent?query#hash&amp='],
    ["!*'()~$,:;=@[]{}|\\^`"],
    ['grüße/日本語/🎬'],
    ['tab\tand\nnewline'],
    ['\u0001 control'],
    ['CON'],
  ])('takes %j as a plain key', (key) => roundTrip(key));

  it('takes keys of 1024 bytes', async () => {
    await roundTrip('x'.repeat(1024));
    await roundTrip('é'.repeat(512));
  });

  it('refuses a key of more than 1024 bytes of UTF-8', async () => {
    await expectRefusal(put('é'.repeat(513), 'x'), 'KeyTooLongError', 400);
  });

  it('copies bytes and metadata, and the copy outlives its source', async () => {
    await put('source/ü+ %', patterned(70_000), { Metadata: { a: 'b' }, ContentType: 'x/y' });
    const CopySource = `${subject.bucket}/${encodeURIComponent('source/ü+ %')}`;
    const done = await subject.client.send(new CopyObjectCommand({ ...at('copy'), CopySource }));
    expect(done.CopyObjectResult?.ETag).toBe((await get('source/ü+ %')).ETag);
    await subject.client.send(new DeleteObjectCommand(at('source/ü+ %')));
    const copy = await get('copy');
    expect(copy).toMatchObject({ Metadata: { a: 'b' }, ContentType: 'x/y' });
    const bytes = await copy.Body?.transformToByteArray();
    expect(patterned(70_000).equals(bytes ?? Buffer.alloc(0))).toBe(true);
  });

  it('copies onto itself only to change the metadata, and keeps the bytes', async () => {
    await put('self', 'same bytes', { Metadata: { a: 'old' } });
    const CopySource = `${subject.bucket}/self`;
    const plain = subject.client.send(new CopyObjectCommand({ ...at('self'), CopySource }));
    await expectRefusal(plain, 'InvalidRequest', 400);
    const replace = { MetadataDirective: 'REPLACE', Metadata: { a: 'new' } } as const;
    await subject.client.send(new CopyObjectCommand({ ...at('self'), CopySource, ...replace }));
    const found = await get('self');
    expect(found.Metadata).toEqual({ a: 'new' });
    expect(await found.Body?.transformToString()).toBe('same bytes');
  });

  it('refuses to copy what is missing or fails its condition', async () => {
    await put('source', 'x');
    const copy = (key: string, more = {}) =>
      subject.client.send(
        new CopyObjectCommand({ ...at('copied'), CopySource: `${subject.bucket}/${key}`, ...more }),
      );
    await expectRefusal(copy('missing'), 'NoSuchKey', 404);
    await expectRefusal(
      copy('source', { CopySourceIfMatch: '"other"' }),
      'PreconditionFailed',
      412,
    );
  });
}
