import { createHash } from 'node:crypto';
import { open, readdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { MULTIPART_THRESHOLD_BYTES } from '@karst/shared/protocol/files.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { templateWith, writeBundle } from './support/bundle.ts';
import { gatedFarm } from './support/gated-farm.ts';
import { testDir } from './support/run-cli.ts';

const gated = gatedFarm();
afterEach(() => {
  gated().gate.holds = () => false;
  gated().gate.refuses = () => undefined;
});

/** Three parts: two whole ones and a small one. */
const PART_BYTES = MULTIPART_THRESHOLD_BYTES;
const LAST_BYTES = 1000;
const scene = { name: 'Scene', objectType: 'FILE', dataFlow: 'IN', default: 'big.vdb' } as const;

async function bundleWith(first: string) {
  const cwd = await testDir();
  await writeBundle(cwd, templateWith([scene]), { 'big.vdb': '' });
  const big = path.join(cwd, 'big.vdb');
  const write = async (at: number, text: string) => {
    const handle = await open(big, 'r+');
    await handle.truncate(2 * PART_BYTES + LAST_BYTES);
    await handle.write(text, at);
    await handle.close();
  };
  await write(0, first);
  await write(PART_BYTES, 'the second part');
  return { cwd, big, write };
}

const sha256Of = async (file: string) =>
  createHash('sha256')
    .update(await readFile(file))
    .digest('hex');

/** The one upload that is remembered: its lines, the first being its id. */
async function rememberedLines(cwd: string): Promise<Record<string, unknown>[]> {
  const dir = path.join(cwd, '.cache/uploads');
  const [name] = await readdir(dir).catch(() => []);
  if (name === undefined) return [];
  const text = await readFile(path.join(dir, name), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line): Record<string, unknown> => JSON.parse(line));
}

/** Kills a submit once storage has two of three parts. */
async function cutSubmit(cwd: string) {
  const { gate, startKarst } = gated();
  gate.holds = (url) => url.includes('partNumber=3');
  const cli = startKarst(cwd, ['submit', '.']);
  await eventually('two parts are there', async () => (await rememberedLines(cwd)).length === 3);
  cli.signal('SIGKILL');
  await cli.result();
  gate.holds = () => false;
  gate.takeSentBytes();
}

describe('a submit that was cut in the midst of a large file', () => {
  it('goes on at the parts that are there when it is repeated', async () => {
    const { cwd, big } = await bundleWith('resumed');
    await cutSubmit(cwd);
    const { gate, karst, assetSha256 } = gated();
    const again = await karst(cwd, ['submit', '.']);
    expect(again.stderr).toContain('Uploaded 1 file (1000 bytes); 0 files there already.');
    expect(again.code).toBe(0);
    expect(gate.takeSentBytes()).toBe(LAST_BYTES);
    const sha256 = await sha256Of(big);
    expect(await assetSha256(sha256)).toBe(sha256);
    expect(await rememberedLines(cwd)).toEqual([]);
    const third = await karst(cwd, ['submit', '.']);
    expect(third.stderr).toContain('Uploaded 0 files (0 bytes); 1 file there already.');
    expect(gate.takeSentBytes()).toBe(0);
  });

  it('begins anew when the file has changed meanwhile', async () => {
    const { cwd, big, write } = await bundleWith('before');
    await cutSubmit(cwd);
    await write(0, 'after!');
    const { gate, karst, assetSha256 } = gated();
    const again = await karst(cwd, ['submit', '.']);
    expect(again.code).toBe(0);
    expect(gate.takeSentBytes()).toBe((await stat(big)).size);
    const sha256 = await sha256Of(big);
    expect(await assetSha256(sha256)).toBe(sha256);
  });

  it('begins anew when storage has forgotten the upload', async () => {
    const { cwd, big } = await bundleWith('forgotten');
    await cutSubmit(cwd);
    const [upload] = await rememberedLines(cwd);
    const sha256 = await sha256Of(big);
    const { gate, karst, objects, assetSha256 } = gated();
    await objects.abortUpload(`studios/default/assets/${sha256}`, String(upload?.uploadId));
    const again = await karst(cwd, ['submit', '.']);
    expect(again.code).toBe(0);
    expect(gate.takeSentBytes()).toBe((await stat(big)).size);
    expect(await assetSha256(sha256)).toBe(sha256);
  });
});

it('a large file that changes while it is uploaded ends the submit, and nothing is kept of it', async () => {
  const { cwd, big, write } = await bundleWith('original');
  const { gate, startKarst, assetSha256, farm } = gated();
  const jobsBefore = (await farm.api().call(routes.listJobs, {})).items.length;
  gate.holds = (url) => url.includes('partNumber=3');
  const cli = startKarst(cwd, ['submit', '.']);
  await eventually('two parts are there', async () => (await rememberedLines(cwd)).length === 3);
  const before = await sha256Of(big);
  await write(10, 'changed');
  gate.release();
  const result = await cli.result();
  expect(result.stderr).toContain('big.vdb changed while it was being uploaded, submit again.');
  expect(result.code).toBe(1);
  expect(await assetSha256(before)).toBeUndefined();
  expect((await farm.api().call(routes.listJobs, {})).items).toHaveLength(jobsBefore);
});

describe('a link that expires while it waits', () => {
  /** As S3 answers a link whose time is over, the first time each part or file is sent. */
  function expireOnce(matches: RegExp): Set<string> {
    const refused = new Set<string>();
    gated().gate.refuses = (url) => {
      const place = `${url.split('?')[0]} ${/partNumber=\d+/.exec(url)?.[0]}`;
      if (!matches.test(url) || refused.has(place)) return undefined;
      refused.add(place);
      return { status: 403, code: 'AccessDenied' };
    };
    return refused;
  }

  it('is replaced by a fresh one, for parts', async () => {
    const { cwd, big } = await bundleWith('expired');
    const refused = expireOnce(/partNumber=/);
    const { karst, assetSha256 } = gated();
    const result = await karst(cwd, ['submit', '.']);
    expect(result.stderr).toContain('Uploaded 1 file');
    expect(refused.size).toBe(3);
    const sha256 = await sha256Of(big);
    expect(await assetSha256(sha256)).toBe(sha256);
    await rm(big);
  });

  it('is replaced by a fresh one, for small files', async () => {
    const cwd = await testDir();
    const files = { name: 'Files', dataFlow: 'IN', default: 'files' } as const;
    await writeBundle(cwd, templateWith([files]), {
      'files/a': 'expired a',
      'files/b': 'expired b',
    });
    const refused = expireOnce(/assets/);
    const result = await gated().karst(cwd, ['submit', '.']);
    expect(result.stderr).toContain('Uploaded 2 files (18 bytes)');
    expect(refused.size).toBe(2);
  });

  it('is told when storage refuses the fresh one too', async () => {
    const cwd = await testDir();
    await writeBundle(cwd, templateWith([scene]), { 'big.vdb': 'refused for good' });
    gated().gate.refuses = () => ({ status: 403, code: 'AccessDenied' });
    const result = await gated().karst(cwd, ['submit', '.']);
    expect(result.stderr).toMatch(/Storage refused .*big\.vdb: AccessDenied: told to \(403\)/);
    expect(result.code).toBe(1);
  });
});
