import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { expect, it } from 'vitest';
import { expectRefusal, patterned, type Subject } from './connection.ts';

const partBytes = 5 * 1024 ** 2;

/** Multipart uploads. */
export function multipartChecks(subject: Subject): void {
  const at = (key: string) => ({ Bucket: subject.bucket, Key: key });
  const begin = async (key: string, more = {}) => {
    const made = await subject.client.send(
      new CreateMultipartUploadCommand({ ...at(key), ...more }),
    );
    return { ...at(key), UploadId: made.UploadId };
  };
  type Upload = Awaited<ReturnType<typeof begin>>;
  const sendPart = async (upload: Upload, PartNumber: number, Body: Buffer, more = {}) => {
    const sent = await subject.client.send(
      new UploadPartCommand({ ...upload, PartNumber, Body, ...more }),
    );
    const { ETag, ChecksumSHA256, ChecksumCRC32 } = sent;
    return { PartNumber, ETag, ChecksumSHA256, ChecksumCRC32 };
  };
  const complete = (upload: Upload, Parts: CompletedPart[], more = {}) =>
    subject.client.send(
      new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts }, ...more }),
    );
  const abort = (upload: Upload) => subject.client.send(new AbortMultipartUploadCommand(upload));

  it('joins parts sent out of order, with the ETag of S3 and the headers of the creation', async () => {
    const upload = await begin('joined', { ContentType: 'video/mp4', Metadata: { a: 'b' } });
    const bodies = [patterned(partBytes, 1), patterned(partBytes + 7, 2), patterned(1000, 3)];
    const parts: CompletedPart[] = [];
    for (const index of [2, 0, 1]) {
      parts[index] = await sendPart(upload, index + 1, bodies[index] ?? Buffer.alloc(0));
    }
    const done = await complete(upload, parts);
    const md5s = bodies.map((body) => createHash('md5').update(body).digest());
    const etag = createHash('md5').update(Buffer.concat(md5s)).digest('hex');
    expect(done.ETag).toBe(`"${etag}-3"`);
    const found = await subject.client.send(new GetObjectCommand(at('joined')));
    expect(found).toMatchObject({
      ContentType: 'video/mp4',
      Metadata: { a: 'b' },
      ETag: done.ETag,
    });
    const bytes = Buffer.from((await found.Body?.transformToByteArray()) ?? []);
    expect(bytes.equals(Buffer.concat(bodies))).toBe(true);
    const across = await subject.client.send(
      new GetObjectCommand({ ...at('joined'), Range: `bytes=${partBytes - 3}-${partBytes + 3}` }),
    );
    const wanted = Buffer.concat(bodies).subarray(partBytes - 3, partBytes + 4);
    expect(wanted.equals((await across.Body?.transformToByteArray()) ?? Buffer.alloc(0))).toBe(
      true,
    );
  });

  it('shows nothing of an upload before it is completed', async () => {
    await subject.client.send(new PutObjectCommand({ ...at('hidden'), Body: 'before' }));
    const upload = await begin('hidden');
    const part = await sendPart(upload, 1, Buffer.from('after'));
    const seen = await subject.client.send(new GetObjectCommand(at('hidden')));
    expect(await seen.Body?.transformToString()).toBe('before');
    await complete(upload, [part]);
    const now = await subject.client.send(new GetObjectCommand(at('hidden')));
    expect(await now.Body?.transformToString()).toBe('after');
  });

  it('lets a part be sent again, and uses the last one', async () => {
    const upload = await begin('again');
    await sendPart(upload, 1, Buffer.from('wrong'));
    const part = await sendPart(upload, 1, Buffer.from('right'));
    await complete(upload, [part]);
    const found = await subject.client.send(new GetObjectCommand(at('again')));
    expect(await found.Body?.transformToString()).toBe('right');
  });

  it('leaves out parts that the completion does not name', async () => {
    const upload = await begin('chosen');
    const first = await sendPart(upload, 3, Buffer.from('kept'));
    await sendPart(upload, 7, Buffer.from('dropped'));
    await complete(upload, [first]);
    const found = await subject.client.send(new GetObjectCommand(at('chosen')));
    expect(await found.Body?.transformToString()).toBe('kept');
  });

  it('lists parts, page by page', async () => {
    const upload = await begin('parts');
    for (const number of [1, 2, 10]) await sendPart(upload, number, Buffer.from(`part ${number}`));
    const first = await subject.client.send(new ListPartsCommand({ ...upload, MaxParts: 2 }));
    expect(first.Parts?.map((part) => [part.PartNumber, part.Size])).toEqual([
      [1, 6],
      [2, 6],
    ]);
    expect(first.IsTruncated).toBe(true);
    const second = await subject.client.send(
      new ListPartsCommand({ ...upload, PartNumberMarker: first.NextPartNumberMarker }),
    );
    expect(second.Parts?.map((part) => part.PartNumber)).toEqual([10]);
    expect(second.IsTruncated).toBe(false);
    await abort(upload);
  });

  it('lists uploads in progress by prefix, page by page', async () => {
    const uploads = [await begin('up/1'), await begin('up/1'), await begin('up/2')];
    await begin('other');
    const found: string[] = [];
    let marker: { KeyMarker?: string; UploadIdMarker?: string } = {};
    for (let more = true; more; ) {
      const page = await subject.client.send(
        new ListMultipartUploadsCommand({
          Bucket: subject.bucket,
          Prefix: 'up/',
          MaxUploads: 1,
          ...marker,
        }),
      );
      for (const one of page.Uploads ?? []) found.push(`${one.Key} ${one.UploadId}`);
      marker = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
      more = page.IsTruncated === true;
    }
    expect(found.sort()).toEqual(uploads.map((one) => `${one.Key} ${one.UploadId}`).sort());
  });

  it('refuses a completion with a wrong ETag, a missing part or parts out of order', async () => {
    const upload = await begin('refused');
    const one = await sendPart(upload, 1, patterned(partBytes));
    const two = await sendPart(upload, 2, Buffer.from('x'));
    const wrong = { ...one, ETag: `"${'0'.repeat(32)}"` };
    await expectRefusal(complete(upload, [wrong, two]), 'InvalidPart', 400);
    await expectRefusal(complete(upload, [one, { ...two, PartNumber: 3 }]), 'InvalidPart', 400);
    await expectRefusal(complete(upload, [two, one]), 'InvalidPartOrder', 400);
    const head = subject.client.send(new HeadObjectCommand(at('refused')));
    await expectRefusal(head, 'NotFound', 404);
    expect((await complete(upload, [one, two])).ETag).toMatch(/-2"$/);
  });

  it('refuses a part under 5 MiB that is not the last', async () => {
    const upload = await begin('small');
    const parts = [
      await sendPart(upload, 1, Buffer.from('x')),
      await sendPart(upload, 2, Buffer.from('y')),
    ];
    await expectRefusal(complete(upload, parts), 'EntityTooSmall', 400);
  });

  it('forgets an aborted upload and its parts', async () => {
    const upload = await begin('aborted');
    const part = await sendPart(upload, 1, Buffer.from('x'));
    await abort(upload);
    const more = subject.client.send(
      new UploadPartCommand({ ...upload, PartNumber: 2, Body: Buffer.from('y') }),
    );
    await expectRefusal(more, 'NoSuchUpload', 404);
    await expectRefusal(complete(upload, [part]), 'NoSuchUpload', 404);
    await expectRefusal(abort(upload), 'NoSuchUpload', 404);
    const list = subject.client.send(new ListPartsCommand(upload));
    await expectRefusal(list, 'NoSuchUpload', 404);
  });

  it('refuses a part number outside 1 to 10000', async () => {
    const upload = await begin('numbers');
    const zero = sendPart(upload, 0, Buffer.from('x'));
    await expectRefusal(zero, 'InvalidArgument', 400);
    await expectRefusal(sendPart(upload, 10_001, Buffer.from('x')), 'InvalidArgument', 400);
  });

  it('completes with If-None-Match: * only when nothing is there, and keeps the upload', async () => {
    await subject.client.send(new PutObjectCommand({ ...at('taken'), Body: 'first' }));
    const upload = await begin('taken');
    const part = await sendPart(upload, 1, Buffer.from('second'));
    const refused = complete(upload, [part], { IfNoneMatch: '*' });
    await expectRefusal(refused, 'PreconditionFailed', 412);
    const found = await subject.client.send(new GetObjectCommand(at('taken')));
    expect(await found.Body?.transformToString()).toBe('first');
    await complete(upload, [part], { IfMatch: found.ETag });
  });

  it('copies ranges of objects as parts', async () => {
    const source = patterned(partBytes + 100, 9);
    await subject.client.send(new PutObjectCommand({ ...at('part-source'), Body: source }));
    const upload = await begin('part-copy');
    const copyPart = async (PartNumber: number, range: string) => {
      const copied = await subject.client.send(
        new UploadPartCopyCommand({
          ...upload,
          PartNumber,
          CopySource: `${subject.bucket}/part-source`,
          CopySourceRange: range,
        }),
      );
      return { PartNumber, ETag: copied.CopyPartResult?.ETag };
    };
    const parts = [
      await copyPart(1, `bytes=0-${partBytes - 1}`),
      await copyPart(2, `bytes=${partBytes}-${partBytes + 99}`),
    ];
    await complete(upload, parts);
    const found = await subject.client.send(new GetObjectCommand(at('part-copy')));
    expect(source.equals((await found.Body?.transformToByteArray()) ?? Buffer.alloc(0))).toBe(true);
  });

  it('makes a composite SHA-256 of the parts, and refuses parts that claim another', async () => {
    const upload = await begin('composite', { ChecksumAlgorithm: 'SHA256' });
    const bodies = [patterned(partBytes, 4), Buffer.from('tail')];
    const parts: CompletedPart[] = [];
    for (const [index, body] of bodies.entries()) {
      parts.push(await sendPart(upload, index + 1, body, { ChecksumAlgorithm: 'SHA256' }));
    }
    const lying = parts.map((part) => ({ ...part, ChecksumSHA256: `${'A'.repeat(43)}=` }));
    await expectRefusal(complete(upload, lying), 'InvalidPart', 400);
    const done = await complete(upload, parts);
    const hashes = bodies.map((body) => createHash('sha256').update(body).digest());
    const composite = createHash('sha256').update(Buffer.concat(hashes)).digest('base64');
    expect(done.ChecksumSHA256).toBe(`${composite}-2`);
    const head = await subject.client.send(
      new HeadObjectCommand({ ...at('composite'), ChecksumMode: 'ENABLED' }),
    );
    expect(head.ChecksumSHA256).toBe(`${composite}-2`);
    expect(head.ChecksumType).toBe('COMPOSITE');
  });

  it('makes the CRC of the whole object from those of its parts', async () => {
    const whole = patterned(partBytes + 12_345, 5);
    const body = { ...at('crc-whole'), Body: whole, ChecksumAlgorithm: 'CRC32' } as const;
    const { ChecksumCRC32 } = await subject.client.send(new PutObjectCommand(body));
    const upload = await begin('crc-parts', {
      ChecksumAlgorithm: 'CRC32',
      ChecksumType: 'FULL_OBJECT',
    });
    const crc = { ChecksumAlgorithm: 'CRC32' };
    const parts = [
      await sendPart(upload, 1, whole.subarray(0, partBytes), crc),
      await sendPart(upload, 2, whole.subarray(partBytes), crc),
    ];
    const wrong = complete(upload, parts, {
      ChecksumType: 'FULL_OBJECT',
      ChecksumCRC32: 'AAAAAA==',
    });
    await expectRefusal(wrong, 'BadDigest', 400);
    const done = await complete(upload, parts, { ChecksumType: 'FULL_OBJECT', ChecksumCRC32 });
    expect(done.ChecksumCRC32).toBe(ChecksumCRC32);
  });
}
