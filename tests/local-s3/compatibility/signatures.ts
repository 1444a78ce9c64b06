import { createHash } from 'node:crypto';
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { systemClock } from '@karst/shared/clock.ts';
import { expect, it } from 'vitest';
import { clientOf, expectRefusal, type Subject } from './connection.ts';

/** Who may: signatures in headers and in URLs. */
export function signatureChecks(subject: Subject): void {
  const at = (key: string) => ({ Bucket: subject.bucket, Key: key });
  const put = (key: string, body: string) =>
    subject.client.send(new PutObjectCommand({ ...at(key), Body: body }));
  const signedGet = (key: string, more = {}, options = {}) =>
    getSignedUrl(subject.client, new GetObjectCommand({ ...at(key), ...more }), {
      expiresIn: 60,
      ...options,
    });
  const signedPut = (key: string, more = {}, options = {}) =>
    getSignedUrl(subject.client, new PutObjectCommand({ ...at(key), ...more }), {
      expiresIn: 60,
      ...options,
    });
  const upload = (url: string, body: string, headers = {}) =>
    fetch(url, { method: 'PUT', body, headers });
  const codeOf = async (answer: Response) =>
    `${answer.status} ${/<Code>(.*?)<\/Code>/.exec(await answer.text())?.[1]}`;
  const expectAbsent = (key: string) =>
    expectRefusal(subject.client.send(new HeadObjectCommand(at(key))), 'NotFound', 404);

  it('refuses every unsigned request', async () => {
    await put('private', 'x');
    const url = `${subject.connection.endpoint}/${subject.bucket}/private`;
    for (const method of ['GET', 'PUT', 'DELETE', 'POST']) {
      expect((await fetch(url, { method })).status, method).toBe(403);
    }
    const list = `${subject.connection.endpoint}/${subject.bucket}?list-type=2`;
    expect(await codeOf(await fetch(list))).toBe('403 AccessDenied');
  });

  it('refuses a wrong secret and an unknown access key', async () => {
    const { endpoint, credentials } = subject.connection;
    const wrong = { ...credentials, secretAccessKey: 'not-the-secret' };
    const unknown = { ...credentials, accessKeyId: 'nobody' };
    await put('mine', 'x');
    const read = (as: typeof wrong) =>
      clientOf({ endpoint, credentials: as }).send(new GetObjectCommand(at('mine')));
    await expectRefusal(read(wrong), 'SignatureDoesNotMatch', 403);
    await expectRefusal(read(unknown), 'InvalidAccessKeyId', 403);
  });

  it('takes a presigned PUT and a presigned GET', async () => {
    const url = await signedPut('presigned/ü +&=.txt', { ContentType: 'text/plain' });
    expect((await upload(url, 'data', { 'content-type': 'text/plain' })).status).toBe(200);
    const answer = await fetch(await signedGet('presigned/ü +&=.txt'));
    expect(answer.headers.get('content-type')).toBe('text/plain');
    expect(await answer.text()).toBe('data');
  });

  it('lets a presigned GET choose the response headers', async () => {
    await put('renamed', 'x');
    const disposition = 'attachment; filename="frame 1.png"';
    const answer = await fetch(
      await signedGet('renamed', {
        ResponseContentDisposition: disposition,
        ResponseContentType: 'image/png',
      }),
    );
    expect(answer.headers.get('content-disposition')).toBe(disposition);
    expect(answer.headers.get('content-type')).toBe('image/png');
  });

  it('refuses a presigned URL with another key, method, expiry or parameter', async () => {
    await put('tamper', 'x');
    await put('tamper2', 'secret');
    const url = await signedGet('tamper');
    const tampered = [
      url.replace('/tamper?', '/tamper2?'),
      url.replace('X-Amz-Expires=60', 'X-Amz-Expires=6000'),
      `${url}&response-content-type=text%2Fhtml`,
      url.replace(/X-Amz-Signature=(.)/, (_, first) => `X-Amz-Signature=${first === '0' ? 1 : 0}`),
    ];
    for (const one of tampered) {
      expect(await codeOf(await fetch(one)), one).toBe('403 SignatureDoesNotMatch');
    }
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(403);
    expect((await fetch(url)).status).toBe(200);
  });

  it('refuses an expired presigned URL and one from the future', async () => {
    await put('timed', 'x');
    const hour = 3_600_000;
    const signedAt = (offsetMs: number) =>
      signedGet('timed', {}, { signingDate: new Date(systemClock.nowMs() + offsetMs) });
    expect(await codeOf(await fetch(await signedAt(-hour)))).toBe('403 AccessDenied');
    expect(await codeOf(await fetch(await signedAt(hour)))).toBe('403 AccessDenied');
  });

  it('refuses an x-amz header that was added to a presigned URL', async () => {
    const url = await signedPut('added');
    const answer = await upload(url, 'x', { 'x-amz-meta-evil': '1' });
    expect(answer.status).toBe(403);
    await expectAbsent('added');
  });

  const sha256 = (body: string) => createHash('sha256').update(body).digest('base64');
  it.each([
    ['in the query', {}],
    ['as a signed header', { unhoistableHeaders: new Set(['x-amz-checksum-sha256']) }],
  ])('holds a presigned PUT to its SHA-256 %s', async (where, options) => {
    const ChecksumSHA256 = sha256('the right body');
    const headers =
      'unhoistableHeaders' in options ? { 'x-amz-checksum-sha256': ChecksumSHA256 } : {};
    const key = `hashed ${where}`;
    const url = await signedPut(key, { ChecksumSHA256 }, options);
    expect(url.includes('x-amz-checksum-sha256=')).toBe(!('unhoistableHeaders' in options));
    const wrong = await upload(url, 'another body', headers);
    expect(await codeOf(wrong)).toMatch(/^400 (BadDigest|XAmzContentChecksumMismatch)$/);
    await expectAbsent(key);
    expect((await upload(url, 'the right body', headers)).status).toBe(200);
    const { client } = subject;
    const found = await client.send(new HeadObjectCommand({ ...at(key), ChecksumMode: 'ENABLED' }));
    expect(found.ChecksumSHA256).toBe(ChecksumSHA256);
  });
}
