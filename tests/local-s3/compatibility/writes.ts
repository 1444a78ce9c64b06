import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, it } from 'vitest';
import { expectRefusal, patterned, type Subject } from './connection.ts';

const requestsOf = (subject: Subject) => {
  const at = (key: string) => ({ Bucket: subject.bucket, Key: key });
  return {
    at,
    put: (key: string, body: string | Buffer, more = {}) =>
      subject.client.send(new PutObjectCommand({ ...at(key), Body: body, ...more })),
    bytesAt: async (key: string) => {
      const found = await subject.client.send(new GetObjectCommand(at(key)));
      return Buffer.from((await found.Body?.transformToByteArray()) ?? []);
    },
  };
};

/** Conditional writes. Karst relies on none. */
export function conditionalWriteChecks(subject: Subject): void {
  const { put, bytesAt } = requestsOf(subject);

  it('creates with If-None-Match: * only what does not exist', async () => {
    await put('once', 'first', { IfNoneMatch: '*' });
    await expectRefusal(put('once', 'second', { IfNoneMatch: '*' }), 'PreconditionFailed', 412);
    expect((await bytesAt('once')).toString()).toBe('first');
  });

  it('replaces with If-Match only the version that was seen', async () => {
    const { ETag } = await put('seen', 'one');
    await put('seen', 'two', { IfMatch: ETag });
    await expectRefusal(put('seen', 'three', { IfMatch: ETag }), 'PreconditionFailed', 412);
    expect((await bytesAt('seen')).toString()).toBe('two');
  });

  it('refuses If-Match on a key that does not exist', async () => {
    await expectRefusal(put('never', 'x', { IfMatch: '"abc"' }), 'NoSuchKey', 404);
  });

  it('lets exactly one of 20 racing creations win', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => put('race', `racer ${index}`, { IfNoneMatch: '*' })),
    );
    const winners = outcomes.flatMap(({ status }, index) =>
      status === 'fulfilled' ? [index] : [],
    );
    expect(winners).toHaveLength(1);
    expect((await bytesAt('race')).toString()).toBe(`racer ${winners[0]}`);
  });

  it('lets exactly one of 20 racing replacements of the same version win', async () => {
    const { ETag } = await put('race-match', 'base');
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => put('race-match', `${index}`, { IfMatch: ETag })),
    );
    const winners = outcomes.flatMap(({ status }, index) =>
      status === 'fulfilled' ? [index] : [],
    );
    expect(winners).toHaveLength(1);
    expect((await bytesAt('race-match')).toString()).toBe(`${winners[0]}`);
  });
}

/** Writes and reads of one key at the same time. */
export function concurrentWriteChecks(subject: Subject): void {
  const { at, put } = requestsOf(subject);

  it('leaves one whole object behind 200 parallel writes of one key', async () => {
    const sizeOf = (index: number) => 1000 + index * 700;
    const bodies = Array.from({ length: 200 }, (_, index) =>
      Buffer.alloc(sizeOf(index), `<${index}>`),
    );
    const etags = await Promise.all(
      bodies.map(async (body) => (await put('crowd', body)).ETag ?? ''),
    );
    const found = await subject.client.send(new GetObjectCommand(at('crowd')));
    const bytes = Buffer.from((await found.Body?.transformToByteArray()) ?? []);
    const winner = etags.indexOf(found.ETag ?? 'none');
    expect(bodies[winner]?.equals(bytes)).toBe(true);
  });

  it('finishes a download of the old version while it is replaced and deleted', async () => {
    const old = patterned(8_000_000, 1);
    await put('read', old);
    const found = await subject.client.send(new GetObjectCommand(at('read')));
    await put('read', patterned(8_000_000, 2));
    await subject.client.send(new DeleteObjectCommand(at('read')));
    const bytes = Buffer.from((await found.Body?.transformToByteArray()) ?? []);
    expect(bytes.equals(old)).toBe(true);
  });
}
