import { createHash, randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { createClient } from '@karst/orchestrator/objects/client.ts';
import { copyObject } from '@karst/orchestrator/objects/copy.ts';
import { copySource, createDirect } from '@karst/orchestrator/objects/direct.ts';
import { createObjectStore, type ObjectStore } from '@karst/orchestrator/objects/store.ts';
import { systemClock } from '@karst/shared/clock.ts';
import { Crc32 } from '@karst/shared/crc32.ts';
import { MULTIPART_THRESHOLD_BYTES } from '@karst/shared/protocol/files.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestStorage } from '../support/storage.ts';
import { startStorage } from './test-farm.ts';

/** What the orchestrator does with its bucket, on whatever server `start` starts. */
export function objectStoreSuite(start: () => Promise<TestStorage>): void {
  let storage: Awaited<ReturnType<typeof startStorage>>;
  let objects: ObjectStore;
  beforeAll(async () => {
    storage = await startStorage(start);
    objects = storage.objects;
  });
  afterAll(() => storage.close());

  const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');
  const md5Of = (bytes: Buffer) => createHash('md5').update(bytes).digest('base64');
  const crc32Of = (bytes: Buffer) => {
    const sum = new Crc32();
    sum.update(bytes);
    return sum.digest().toString('base64');
  };
  const strangeKey = "studios/x/outputs/a b/ü+%25'(1)*!~/#frame?.exr";

  describe('without the SDK', () => {
    it('what goes plainly well is answered, on this server too; anything else is not', async () => {
      const direct = createDirect(storage.config, createClient(storage.config), systemClock);
      try {
        const headers = { 'content-type': 'application/json' };
        const put = await direct.send({ method: 'PUT', key: strangeKey, headers, body: '{"é":1}' });
        expect(put).toBeDefined();
        expect(await objects.getJson(strangeKey)).toEqual({ é: 1 });
        expect(await direct.send({ method: 'HEAD', key: strangeKey })).toMatchObject({
          contentLength: 8,
        });
        const of = { 'x-amz-copy-source': copySource(storage.config.bucket, strangeKey) };
        const copied = await direct.send({
          method: 'PUT',
          key: `direct/${strangeKey}`,
          headers: of,
        });
        expect(copied?.body).toContain('<CopyObjectResult');
        expect(await objects.getJson(`direct/${strangeKey}`)).toEqual({ é: 1 });
        expect(await direct.send({ method: 'HEAD', key: 'absent' })).toBeUndefined();
      } finally {
        direct.close();
      }
      const wrong = { ...storage.config, secretAccessKey: 'wrong' };
      const refused = createDirect(wrong, createClient(wrong), systemClock);
      expect(await refused.send({ method: 'HEAD', key: strangeKey })).toBeUndefined();
      refused.close();
    });
  });

  describe('objects', () => {
    it('go there and back, whatever is in their names', async () => {
      await objects.putJson(strangeKey, { frames: [1, 2] });
      expect(await objects.getJson(strangeKey)).toEqual({ frames: [1, 2] });
      expect(await objects.head(strangeKey)).toEqual({ key: strangeKey, sizeBytes: 16 });
      const { items } = await objects.list('studios/x/outputs/');
      expect(items).toEqual([{ key: strangeKey, sizeBytes: 16 }]);
      expect(await objects.copy(strangeKey, 'copies/ü 1+1')).toBe(true);
      expect(await objects.getText('copies/ü 1+1')).toBe('{"frames":[1,2]}');
      expect(await (await fetch(await objects.presignGet(strangeKey))).json()).toEqual({
        frames: [1, 2],
      });
    });

    it('that are absent answer undefined, false, or nothing to delete', async () => {
      expect(await objects.getJson('absent')).toBeUndefined();
      expect(await objects.getStream('absent')).toBeUndefined();
      expect(await objects.head('absent')).toBeUndefined();
      expect(await objects.copy('absent', 'elsewhere')).toBe(false);
      await objects.delete('absent');
      expect(await objects.deletePrefix('absent/')).toBe(0);
    });

    it('are read in ranges', async () => {
      await objects.putText('range', '0123456789');
      const middle = await objects.getStream('range', { start: 3, end: 5 });
      expect([middle?.sizeBytes, middle && (await text(middle.stream))]).toEqual([3, '345']);
      const rest = await objects.getStream('range', { start: 8 });
      expect(rest && (await text(rest.stream))).toBe('89');
    });

    it('are listed page by page and deleted by prefix, not beyond it', async () => {
      for (const name of ['many/a', 'many/b', 'many/c', 'many-more'])
        await objects.putText(name, 'x');
      const first = await objects.list('many/', undefined, 2);
      const second = await objects.list('many/', first.nextCursor, 2);
      expect([...first.items, ...second.items].map((item) => item.key)).toEqual([
        'many/a',
        'many/b',
        'many/c',
      ]);
      expect(second.nextCursor).toBeUndefined();
      await expect(objects.deletePrefix('many')).rejects.toThrow(/lacks its/);
      expect(await objects.deletePrefix('many/')).toBe(3);
      expect(await objects.getText('many-more')).toBe('x');
    });

    it('are found among many by their names, however many are asked for', async () => {
      const names = Array.from({ length: 2100 }, (_, i) => sha256(`object ${i}`)).sort();
      // Every second one is there: more than a page of a list holds.
      const there = names.filter((_, i) => i % 2 === 0);
      for (let i = 0; i < there.length; i += 16) {
        const some = there.slice(i, i + 16);
        await Promise.all(some.map((name) => objects.putText(`sums/${name}`, name.slice(0, 9))));
      }
      await objects.putText('sums-of-others/0', 'x');
      for (const asked of [names, names.slice(300, 400), names.slice(-30), names.slice(0, 3), []]) {
        const found = await objects.sizesBelow('sums/', asked);
        const expected = asked.filter((name) => there.includes(name));
        expect([...found].sort()).toEqual(expected.map((name) => [name, 9]));
      }
    });

    it('make folders of their names, which hold nothing once they are deleted', async () => {
      for (const name of ['a/1', 'a/b/2', 'c/3', 'plain'])
        await objects.putText(`tree/${name}`, 'x');
      expect((await objects.folders('tree/')).sort()).toEqual(['a', 'c']);
      expect(await objects.deletePrefix('tree/a/')).toBe(2);
      expect(await objects.list('tree/a/')).toEqual({ items: [] });
      // SeaweedFS tells of an empty folder for minutes.
      expect(await objects.folders('tree/')).toContain('c');
    });

    it('are copied in parts when they are too large for one copy', async () => {
      const bytes = randomBytes(11 * 1024 * 1024);
      await upload(`large/${sha256(bytes)}`, bytes);
      const source = { key: `large/${sha256(bytes)}`, sizeBytes: bytes.length };
      const client = createClient(storage.config);
      await copyObject(
        client,
        storage.config.bucket,
        source,
        'large/copy',
        undefined,
        1,
        5 * 1024 * 1024,
      );
      client.destroy();
      const copy = await fetch(await objects.presignGet('large/copy'));
      expect(sha256(Buffer.from(await copy.arrayBuffer()))).toBe(sha256(bytes));
    });

    it('are downloaded under the name people know', async () => {
      await objects.putText('named', 'x');
      const url = await objects.presignGet('named', { downloadAs: 'Überblick "1".exr' });
      const { headers } = await fetch(url);
      expect(headers.get('content-disposition')).toBe(
        `attachment; filename="_berblick _1_.exr"; filename*=UTF-8''%C3%9Cberblick%20%221%22.exr`,
      );
    });

    it('of a storage that is away are an outage, not a bug', async () => {
      const away = createObjectStore({ ...storage.config, endpoint: 'http://127.0.0.1:9' });
      const outage = { name: 'ObjectStoreUnavailableError' };
      await expect(away.head('x')).rejects.toMatchObject(outage);
      await expect(away.putText('x', 'x')).rejects.toMatchObject(outage);
      away.close();
    });
  });

  async function upload(key: string, bytes: Buffer): Promise<void> {
    const grant = await objects.createUpload(key, {
      sha256: sha256(bytes),
      sizeBytes: bytes.length,
    });
    if (grant.kind !== 'single') throw new Error('expected one PUT');
    const answer = await fetch(grant.url, { method: 'PUT', headers: grant.headers, body: bytes });
    expect(answer.status).toBe(200);
  }

  describe('an upload', () => {
    const good = Buffer.from('what was promised');
    const grantFor = async (key: string) => {
      const grant = await objects.createUpload(key, {
        sha256: sha256(good),
        sizeBytes: good.length,
      });
      if (grant.kind !== 'single') throw new Error('expected one PUT');
      return grant;
    };
    const put = (url: string, headers: Record<string, string>, body: Buffer) =>
      fetch(url, { method: 'PUT', headers, body });

    it('takes exactly the bytes it was made for', async () => {
      const { url, headers } = await grantFor('uploads/good');
      expect((await put(url, headers, good)).status).toBe(200);
      expect(await objects.getText('uploads/good')).toBe('what was promised');
    });

    it.each([
      ['other bytes of the same size', Buffer.from('what was PROMISED'), false],
      ['the bytes of another checksum', Buffer.from('what was PROMISED'), true],
      ['more bytes', Buffer.from('what was promised and more'), false],
    ])('refuses %s', async (_what, body, relabel) => {
      const { url, headers } = await grantFor('uploads/bad');
      const sum = createHash('sha256').update(body).digest('base64');
      const sent = {
        ...headers,
        'content-length': String(body.length),
        ...(relabel ? { 'x-amz-checksum-sha256': sum } : {}),
      };
      expect((await put(url, sent, body)).status).toBeGreaterThanOrEqual(400);
      expect(await objects.head('uploads/bad')).toBeUndefined();
    });

    it('can not be turned to another object', async () => {
      const { url, headers } = await grantFor('uploads/mine');
      const elsewhere = url.replace('uploads/mine', 'uploads/yours');
      expect((await put(elsewhere, headers, good)).status).toBe(403);
    });

    it('takes an empty file', async () => {
      await upload('uploads/empty', Buffer.alloc(0));
      expect(await objects.head('uploads/empty')).toMatchObject({ sizeBytes: 0 });
    });

    it.each(['md5', 'what storage knows'])(
      'travels in parts above 64 MB, each checked by %s',
      async (asked) => {
        const sumOf = asked === 'md5' || (await objects.partChecksum()) === 'md5' ? md5Of : crc32Of;
        const key = `uploads/big-${asked}`;
        const bytes = Buffer.alloc(MULTIPART_THRESHOLD_BYTES + 1000, 'karst');
        const parts = [
          bytes.subarray(0, MULTIPART_THRESHOLD_BYTES),
          bytes.subarray(MULTIPART_THRESHOLD_BYTES),
        ];
        const grant = await objects.createUpload(key, {
          sha256: sha256(bytes),
          sizeBytes: bytes.length,
          partSums: parts.map((part) => sumOf(part)),
        });
        if (grant.kind !== 'multipart') throw new Error('expected parts');
        const send = (index: number, body = parts[index] ?? Buffer.alloc(0)) => {
          const { url, headers } = grant.parts[index] ?? { url: '', headers: {} };
          return put(url, headers, body);
        };
        const corrupted = Buffer.from(parts[1] ?? []);
        corrupted[0] = 0;
        expect((await send(1, corrupted)).status).toBe(400);
        const etags: string[] = [];
        for (const index of [0, 1]) etags.push((await send(index)).headers.get('etag') ?? '');
        const complete = (tags: string[]) => objects.completeUpload(key, grant.uploadId, tags);
        expect(await complete(['"nonsense"', '"nonsense"'])).toBe('invalid_parts');
        expect(await complete(etags)).toBe('completed');
        // The first answer may have been lost.
        expect(await complete(etags)).toBe('completed');
        expect(await objects.head(key)).toMatchObject({ sizeBytes: bytes.length });
      },
    );

    it.each(['md5', 'what storage knows'])(
      'under %s is gone on with: it tells the parts it has, and takes each under a link of its own',
      async (asked) => {
        const checksum = asked === 'md5' ? 'md5' : await objects.partChecksum();
        const sumOf = checksum === 'md5' ? md5Of : crc32Of;
        const key = `uploads/gone-on-with-${checksum}`;
        const uploadId = await objects.beginUpload(key, checksum);
        expect(await objects.uploadedParts(key, uploadId)).toEqual({ checksum, parts: [] });
        const part = { number: 1, sizeBytes: good.length, checksum: sumOf(good) };
        const { url, headers } = await objects.partLink(key, uploadId, part);
        const bad = Buffer.from('what was PROMISED');
        expect((await put(url, headers, bad)).status).toBe(400);
        const [name = ''] = Object.keys(headers);
        expect((await put(url, { [name]: sumOf(bad) }, bad)).status).toBe(403);
        const other = url.replace('partNumber=1', 'partNumber=2');
        expect((await put(other, headers, good)).status).toBe(403);
        expect(await objects.uploadedParts(key, uploadId)).toEqual({ checksum, parts: [] });
        const etag = (await put(url, headers, good)).headers.get('etag') ?? '';
        const crc32 = checksum === 'crc32' ? { crc32: crc32Of(good) } : {};
        expect(await objects.uploadedParts(key, uploadId)).toEqual({
          checksum,
          parts: [{ number: 1, sizeBytes: good.length, etag, ...crc32 }],
        });
        expect(await objects.uploadedParts('uploads/another', uploadId)).toBeUndefined();
        expect(await objects.completeUpload(key, uploadId, [etag])).toBe('completed');
        expect(await objects.getText(key)).toBe('what was promised');
        expect(await objects.uploadedParts(key, uploadId)).toBeUndefined();
        expect(await objects.uploadedParts(key, 'nonsense')).toBeUndefined();
      },
    );

    it('that nobody started can not be completed', async () => {
      expect(await objects.completeUpload('uploads/none', 'nonsense', ['"x"'])).toBe(
        'no_such_upload',
      );
      await objects.abortUpload('uploads/none', 'nonsense');
    });
  });
}
