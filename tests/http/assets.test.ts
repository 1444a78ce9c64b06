import { createHash } from 'node:crypto';
import {
  assetUploadResponseSchema,
  MULTIPART_THRESHOLD_BYTES,
} from '@karst/shared/protocol/files.ts';
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

it('wants the MD5 sum of every part of a large file', async () => {
  const large = { sha256: sha256('x'), sizeBytes: MULTIPART_THRESHOLD_BYTES + 1 };
  const { errors } = problemIn(await ask([file('scene'), large]));
  expect(errors).toEqual([
    {
      path: ['body', 'files', 1, 'partMd5'],
      message: `found 0 MD5 sums, expected 2: one for each part of ${large.sizeBytes} bytes`,
    },
  ]);
});

it('says conflict when an upload can not be completed', async () => {
  const answer = await call(farm.url, 'POST', '/v1/assets/uploads/complete', {
    key,
    body: { sha256: sha256('never'), uploadId: 'nonsense', etags: ['"x"'] },
  });
  expect(problemIn(answer)).toMatchObject({ status: 409, code: 'conflict' });
});
