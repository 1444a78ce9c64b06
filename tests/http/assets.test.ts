import { createHash } from 'node:crypto';
import { mapConcurrently } from '@karst/orchestrator/http/concurrency.ts';
import { Crc32 } from '@karst/shared/crc32.ts';
import {
  assetMultipartSchema,
  assetPartsSchema,
  assetUploadResponseSchema,
} from '@karst/shared/protocol/asset-uploads.ts';
import { MULTIPART_THRESHOLD_BYTES } from '@karst/shared/protocol/files.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, problemIn } from './call.ts';
import { startFarm, type TestFarm } from './test-farm.ts';

let farm: TestFarm;
let key: string;
beforeAll(async () => {
  farm = await startFarm();
  key = await farm.keyOf('submit');
});
afterAll(() => farm.close());

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const file = (text: string) => ({ sha256: sha256(text), sizeBytes: Buffer.byteLength(text) });
const ask = async (files: object[], as = key) =>
  call(farm.url, 'POST', '/v1/assets/uploads', { key: as, body: { files } });
const uploadsOf = async (files: object[], as = key) =>
  assetUploadResponseSchema.parse((await ask(files, as)).body).uploads;

it('asks only for the files that the studio lacks', async () => {
  const [one] = await uploadsOf([file('scene')]);
  if (one?.upload?.kind !== 'single') throw new Error('expected one PUT');
  const put = await fetch(one.upload.url, {
    method: 'PUT',
    headers: one.upload.headers,
    body: 'scene',
  });
  expect(put.status).toBe(200);
  const again = await uploadsOf([file('texture'), file('scene')]);
  expect(again.map(({ sha256, upload }) => [sha256, upload?.kind])).toEqual([
    [sha256('texture'), 'single'],
    [sha256('scene'), undefined],
  ]);
});

it('does not tell one studio what another one has', async () => {
  const other = await farm.keyOf('submit', 'frames');
  const [upload] = await uploadsOf([file('scene')], other);
  expect(upload?.upload?.kind).toBe('single');
});

it('asks again for a file whose stored size is not the right one', async () => {
  const [upload] = await uploadsOf([{ sha256: sha256('scene'), sizeBytes: 4 }]);
  expect(upload?.upload?.kind).toBe('single');
});

it('asks a thousand times at once without trouble', async () => {
  const files = Array.from({ length: 1000 }, (_, i) => file(`file ${i}`));
  expect(await uploadsOf(files)).toHaveLength(1000);
});

it('takes a large file in parts, and tells those it has when the upload is gone on with', async () => {
  const content = Buffer.alloc(MULTIPART_THRESHOLD_BYTES + 10, 'k');
  const large = {
    sha256: createHash('sha256').update(content).digest('hex'),
    sizeBytes: content.length,
  };
  const post = (path: string, body: object, as = key) =>
    call(farm.url, 'POST', `/v1/assets/uploads${path}`, { key: as, body });
  const begin = async (uploadId?: string, as = key) =>
    assetMultipartSchema.parse((await post('/multipart', { ...large, uploadId }, as)).body);
  const [asked] = await uploadsOf([large]);
  expect(asked?.upload).toEqual({ kind: 'parts', partSizeBytes: MULTIPART_THRESHOLD_BYTES });
  const { uploadId, partChecksum, partSizeBytes, uploaded } = await begin();
  expect(uploaded).toEqual([]);
  expect(partChecksum).toBe('crc32');
  const etags: string[] = [];
  for (const number of [1, 2]) {
    const part = content.subarray((number - 1) * partSizeBytes, number * partSizeBytes);
    const sum = new Crc32();
    sum.update(part);
    const parts = [{ number, checksum: sum.digest().toString('base64') }];
    const linked = await post('/parts', { ...large, uploadId, parts });
    const [link = { url: '', headers: {} }] = assetPartsSchema.parse(linked.body).links;
    const put = await fetch(link.url, {
      method: 'PUT',
      headers: link.headers,
      body: new Uint8Array(part),
    });
    expect(put.status).toBe(200);
    etags.push(put.headers.get('etag') ?? '');
    expect(await begin(uploadId)).toMatchObject({
      uploadId,
      uploaded: etags.map((etag, index) => ({ number: index + 1, etag })),
    });
  }
  const other = await farm.keyOf('submit', 'frames');
  const foreign = await begin(uploadId, other);
  expect(foreign).toMatchObject({ uploaded: [] });
  expect(foreign.uploadId).not.toBe(uploadId);
  const body = { sha256: large.sha256, uploadId, etags };
  expect((await post('/complete', body)).status).toBe(200);
  expect((await uploadsOf([large]))[0]?.upload).toBeNull();
  expect((await uploadsOf([large], other))[0]?.upload).not.toBeNull();
  expect((await begin(uploadId)).uploadId).not.toBe(uploadId);
});

it('refuses parts of a file that travels whole, and parts that a file does not have', async () => {
  const post = async (path: string, body: object) =>
    problemIn(await call(farm.url, 'POST', `/v1/assets/uploads/${path}`, { key, body }));
  expect(await post('multipart', file('scene'))).toMatchObject({
    status: 400,
    errors: [{ path: ['body', 'sizeBytes'] }],
  });
  const large = { sha256: sha256('x'), sizeBytes: MULTIPART_THRESHOLD_BYTES + 1 };
  const parts = [1, 3].map((number) => ({ number, checksum: 'AAAAAA==' }));
  expect(await post('parts', { ...large, uploadId: 'x', parts })).toMatchObject({
    status: 400,
    errors: [{ path: ['body', 'parts', 1, 'number'], message: 'found 3, the file has 2 parts' }],
  });
  const short = [{ number: 1, checksum: 'AAAA' }];
  expect(await post('parts', { ...large, uploadId: 'x', parts: short })).toMatchObject({
    status: 400,
    errors: [{ path: ['body', 'parts', 0, 'checksum'] }],
  });
});

it('knows what is there whether few or many are asked for, among few or many', async () => {
  const there = Array.from({ length: 60 }, (_, i) => file(`there ${i}`));
  await Promise.all(
    there.map(({ sha256: name }, i) =>
      farm.objects.putText(`studios/pixels/assets/${name}`, `there ${i}`),
    ),
  );
  // Neighbours that nobody asks for, so that a page of the list holds few of those asked for.
  const crowd = Array.from(
    { length: 1050 },
    (_, i) => `studios/pixels/assets/${i.toString(16).padStart(4, '0')}`,
  );
  const absent = Array.from({ length: 60 }, (_, i) => file(`absent ${i}`));
  const check = async (count: number) => {
    const asked = [...there.slice(0, count), ...absent.slice(0, count)];
    const uploads = await uploadsOf(asked);
    expect(uploads.map(({ sha256: name }) => name)).toEqual(asked.map(({ sha256: name }) => name));
    expect(uploads.map(({ upload }) => upload === null)).toEqual(asked.map((_, i) => i < count));
  };
  for (const count of [1, 60]) await check(count);
  await mapConcurrently(crowd, 16, (name) => farm.objects.putText(name, ''));
  for (const count of [1, 60]) await check(count);
});

it('says conflict when an upload can not be completed', async () => {
  const answer = await call(farm.url, 'POST', '/v1/assets/uploads/complete', {
    key,
    body: { sha256: sha256('never'), uploadId: 'nonsense', etags: ['"x"'] },
  });
  expect(problemIn(answer)).toMatchObject({ status: 409, code: 'conflict' });
});
