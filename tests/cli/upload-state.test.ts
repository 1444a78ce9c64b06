import { appendFile, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { removeOldStates, UploadState } from '@karst/cli/transfer/upload-state.ts';
import { systemClock } from '@karst/shared/clock.ts';
import { expect, it } from 'vitest';
import { testDir } from './support/run-cli.ts';

const farm = 'https://farm.example';
const sha256 = 'a'.repeat(64);

async function noted() {
  const cacheDir = await testDir();
  const state = await UploadState.open(cacheDir, farm, sha256);
  await state.begin('upload-1');
  await state.add(1, '"one"');
  await state.add(3, '"three"');
  const [name = ''] = await readdir(path.join(cacheDir, 'uploads'));
  return { cacheDir, state, file: path.join(cacheDir, 'uploads', name) };
}

it('finds what was noted, for the same content and farm only', async () => {
  const { cacheDir, state } = await noted();
  const again = await UploadState.open(cacheDir, farm, sha256);
  expect(again.uploadId).toBe('upload-1');
  expect([...again.etags]).toEqual([
    [1, '"one"'],
    [3, '"three"'],
  ]);
  for (const [origin, content] of [
    ['https://other.example', sha256],
    [farm, 'b'.repeat(64)],
  ] as const) {
    expect((await UploadState.open(cacheDir, origin, content)).uploadId).toBeUndefined();
  }
  await state.remove();
  expect((await UploadState.open(cacheDir, farm, sha256)).uploadId).toBeUndefined();
});

it('takes lines that are whole, whatever stands between them', async () => {
  const { cacheDir, file } = await noted();
  await appendFile(
    file,
    'nonsense\n{"number":-1,"etag":"x"}\n{"number":4,"etag":"\\"four\\""}\n{"numb',
  );
  const again = await UploadState.open(cacheDir, farm, sha256);
  expect([...again.etags.keys()]).toEqual([1, 3, 4]);
  await writeFile(file, (await readFile(file, 'utf8')).slice(3));
  const headless = await UploadState.open(cacheDir, farm, sha256);
  expect(headless.uploadId).toBeUndefined();
});

it('is removed once storage has forgotten the upload', async () => {
  const { cacheDir, file } = await noted();
  await removeOldStates(cacheDir, systemClock);
  expect(await readdir(path.dirname(file))).toHaveLength(1);
  const eightDaysAgo = systemClock.nowMs() / 1000 - 8 * 86_400;
  await utimes(file, eightDaysAgo, eightDaysAgo);
  await removeOldStates(cacheDir, systemClock);
  expect(await readdir(path.dirname(file))).toEqual([]);
});

it('keeps nothing where there is no place for it, and does not mind', async () => {
  const state = await UploadState.open(undefined, farm, sha256);
  await state.begin('upload-1');
  await state.add(1, '"one"');
  expect(state.etags.get(1)).toBe('"one"');
  const dir = await testDir();
  await writeFile(path.join(dir, 'file'), '');
  const nowhere = await UploadState.open(path.join(dir, 'file'), farm, sha256);
  await nowhere.begin('upload-1');
  expect(nowhere.uploadId).toBe('upload-1');
});
