import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { cp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InputDownload } from '@karst/agent/http/orchestrator-client.ts';
import type { AssetCache } from '@karst/agent/inputs/asset-cache.ts';
import { expect, it } from 'vitest';
import { cacheBench } from './support/cache-for-test.ts';

const bench = cacheBench();
const mebibyte = 1024 * 1024;
const never = new AbortController().signal;

const contentOf = async (cache: AssetCache, input: InputDownload): Promise<Buffer> => {
  const read = await cache.use(input, never, (path) => readFile(path));
  if (!read.ok) throw new Error(read.error.message);
  return read.value;
};

it('fetches a content once, however many ask for it at once', async () => {
  const cache = await bench.open();
  const small = await bench.input(randomBytes(1000));
  const large = await bench.input(randomBytes(3 * mebibyte));
  const asking = Array.from({ length: 50 }, (_, i) => contentOf(cache, i % 2 ? small : large));
  const lengths = new Set((await Promise.all(asking)).map(({ length }) => length));
  expect([...lengths].sort()).toEqual([1000, 3 * mebibyte].sort());
  expect(bench.proxy.asked).toHaveLength(2);
});

it('takes an empty file', async () => {
  const cache = await bench.open();
  expect(await contentOf(cache, await bench.input(Buffer.alloc(0)))).toHaveLength(0);
});

it('fetches a large file in pieces, and goes on where it broke off', async () => {
  const cache = await bench.open();
  const pieceBytes = 32 * mebibyte;
  const content = randomBytes(60 * mebibyte);
  const input = await bench.input(content);
  bench.proxy.cutAfterBytes = 40 * mebibyte;
  const broken = await cache.use(input, never, (path) => stat(path));
  expect(broken).toMatchObject({ ok: false, error: { passing: true } });
  expect(bench.proxy.bytes).toBeGreaterThan(20 * mebibyte);
  expect((await contentOf(cache, input)).equals(content)).toBe(true);
  const ranges = bench.proxy.asked.map(({ range }) => range);
  const firsts = [`bytes=0-${pieceBytes - 1}`, `bytes=${pieceBytes}-${content.length - 1}`];
  expect(ranges.slice(0, 2)).toEqual(firsts);
  // At least one piece had begun, and goes on behind what it has.
  expect(ranges.slice(2).filter((range) => !firsts.includes(range ?? ''))).not.toEqual([]);
});

it('goes on where a file in one piece broke off', async () => {
  const cache = await bench.open();
  const content = randomBytes(12 * mebibyte);
  const input = await bench.input(content);
  bench.proxy.cutAfterBytes = 8 * mebibyte;
  expect((await cache.use(input, never, (path) => readFile(path))).ok).toBe(false);
  expect((await contentOf(cache, input)).equals(content)).toBe(true);
  expect(bench.proxy.asked.map(({ range }) => range)).toEqual([
    undefined,
    expect.stringMatching(/^bytes=[1-9]\d{5,}-12582911$/),
  ]);
});

it('gives up a connection that falls silent, and goes on behind what it has', async () => {
  const cache = await bench.open();
  const content = randomBytes(12 * mebibyte);
  const input = await bench.input(content);
  bench.proxy.silentAfterBytes = 8 * mebibyte;
  const silent = await cache.use(input, never, (path) => readFile(path));
  expect(silent).toMatchObject({ ok: false, error: { passing: true } });
  expect((await contentOf(cache, input)).equals(content)).toBe(true);
  expect(bench.proxy.asked.map(({ range }) => range)).toEqual([
    undefined,
    expect.stringMatching(/^bytes=[1-9]\d{5,}-12582911$/),
  ]);
});

it('takes no other content for the announced one, in one piece or in many', async () => {
  const cache = await bench.open();
  for (const size of [100, 2 * mebibyte, 40 * mebibyte]) {
    const right = await bench.input(randomBytes(size));
    const other = await bench.input(randomBytes(size));
    const shorter = await bench.input(randomBytes(Math.min(size - 1, 3 * mebibyte)));
    for (const { url } of [other, shorter]) {
      const used = await cache.use({ ...right, url }, never, (path) => readFile(path));
      expect(used).toMatchObject({ ok: false, error: { passing: false } });
    }
    expect(await contentOf(cache, right)).toHaveLength(size);
  }
});

it('finds a file that was changed, cut short or removed, and fetches it again', async () => {
  const cache = await bench.open();
  const content = randomBytes(2 * mebibyte);
  const input = await bench.input(content);
  await contentOf(cache, input);
  const path = bench.pathOf(input);
  const harm = [
    () => writeFile(path, randomBytes(content.length)),
    () => truncate(path, 100),
    () => rm(path),
  ];
  for (const [done, damage] of harm.entries()) {
    await damage();
    const reads = await Promise.all([1, 2, 3].map(() => contentOf(cache, input)));
    expect(reads.every((read) => read.equals(content))).toBe(true);
    expect(cache.corrupted).toBe(done + 1);
    expect(bench.proxy.asked).toHaveLength(done + 2);
  }
  // Touched, and yet the same.
  await utimes(path, 1, 1);
  await contentOf(cache, input);
  expect(cache.corrupted).toBe(harm.length);
});

it('finds bits that fell over unseen when the file was not read through for a week', async () => {
  const cache = await bench.open();
  const content = randomBytes(1000);
  const input = await bench.input(content);
  await contentOf(cache, input);
  const path = bench.pathOf(input);
  const { atime, mtime } = await stat(path);
  const rotten = Buffer.from(content);
  rotten[500] = (rotten[500] ?? 0) ^ 1;
  await writeFile(path, rotten);
  await utimes(path, atime, mtime);
  bench.nowMs += 8 * 24 * 3_600_000;
  expect((await contentOf(cache, input)).equals(content)).toBe(true);
  expect(cache.corrupted).toBe(1);
});

it('survives a restart; what the index of a killed agent does not vouch for is read through', async () => {
  const inputs = await Promise.all(
    Array.from({ length: 20 }, (_, i) => bench.input(randomBytes(5000), `${i}.bin`)),
  );
  const before = await bench.open();
  for (const input of inputs.slice(0, 10)) await contentOf(before, input);
  await before.close();
  const killed = await bench.open();
  for (const input of inputs) await contentOf(killed, input);
  // As after SIGKILL: the index is that of the former start, a download lies about.
  await writeFile(join(bench.dir, 'cache', 'incoming', 'half'), 'half a file');
  const [known, unknown] = [inputs[3], inputs[15]];
  if (known === undefined || unknown === undefined) throw new Error('no inputs');
  await writeFile(bench.pathOf(known), randomBytes(5000));
  await writeFile(bench.pathOf(unknown), randomBytes(5000));
  const snapshot = join(bench.dir, 'copy');
  await cp(join(bench.dir, 'cache', 'index'), snapshot);
  await killed.close();
  await cp(snapshot, join(bench.dir, 'cache', 'index'));

  bench.proxy.asked.length = 0;
  const cache = await bench.open();
  expect(await readdir(join(bench.dir, 'cache', 'incoming'))).toEqual([]);
  for (const input of inputs) await contentOf(cache, input);
  expect(cache.corrupted).toBe(2);
  expect(bench.proxy.asked.map(({ path }) => path.split('/').at(-1)).sort()).toEqual(
    [known.sha256, unknown.sha256].sort(),
  );
});

it('trusts no stamp from before the machine was last started', async () => {
  const before = await bench.open();
  const content = randomBytes(1000);
  const input = await bench.input(content);
  await contentOf(before, input);
  const path = bench.pathOf(input);
  const { atime, mtime } = await stat(path);
  await writeFile(path, Buffer.alloc(1000));
  await utimes(path, atime, mtime);
  await before.close();
  const index = join(bench.dir, 'cache', 'index');
  const text = await readFile(index, 'utf8');
  await writeFile(index, text.replace(/"bootId":"[^"]*"/, '"bootId":"another"'));
  const cache = await bench.open();
  expect((await contentOf(cache, input)).equals(content)).toBe(true);
  expect(cache.corrupted).toBe(1);
});

it('stays within its bound under many tasks at once, and evicts nothing in use', async () => {
  const bytesMax = 5 * mebibyte;
  const cache = await bench.open(bytesMax);
  const contents = Array.from({ length: 20 }, () => randomBytes(mebibyte));
  const inputs = await Promise.all(contents.map((content) => bench.input(content)));
  let most = 0;
  const task = async (number: number) => {
    for (let i = 0; i < 10; i++) {
      const at = (number * 7 + i * (number + 1)) % inputs.length;
      const input = inputs[at];
      if (input === undefined) continue;
      const read = await contentOf(cache, input);
      expect(read.equals(contents[at] ?? Buffer.alloc(0))).toBe(true);
      most = Math.max(most, bytesIn(join(bench.dir, 'cache')));
    }
  };
  await Promise.all(Array.from({ length: 30 }, (_, number) => task(number)));
  expect(bytesIn(join(bench.dir, 'cache'))).toBeLessThanOrEqual(bytesMax);
  // 30 tasks may use, or fetch, one each beside what is kept.
  expect(most).toBeLessThanOrEqual(21 * mebibyte);
});

function bytesIn(dir: string): number {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /^[0-9a-f]{64}$/.test(entry.name))
    .reduce((sum, { parentPath, name }) => {
      return sum + (statSync(join(parentPath, name), { throwIfNoEntry: false })?.size ?? 0);
    }, 0);
}

it('lets what is fetched ahead wait for what tasks need, and hurries it once they do', async () => {
  const cache = await bench.open();
  const ahead = await bench.input(randomBytes(1000), 'ahead');
  const needed = await bench.input(randomBytes(1000), 'needed');
  let release: () => void = () => undefined;
  bench.proxy.held = new Promise((resolve) => {
    release = resolve;
  });
  const using = contentOf(cache, needed);
  const fetching = cache.prefetch(ahead, never);
  expect(await Promise.race([fetching, using, tick()])).toBe('tick');
  expect(bench.proxy.asked.map(({ path }) => path)).not.toContain(new URL(ahead.url).pathname);
  const hurried = contentOf(cache, ahead);
  release();
  bench.proxy.held = undefined;
  expect(await fetching).toEqual({ ok: true, value: null });
  expect(await Promise.all([using, hurried])).toHaveLength(2);
  expect(bench.proxy.asked).toHaveLength(2);
});

const tick = () => new Promise<'tick'>((resolve) => setImmediate(() => resolve('tick')));

it('ends a download when the last who waits for it has gone, not before', async () => {
  const cache = await bench.open();
  const content = randomBytes(3 * mebibyte);
  const input = await bench.input(content);
  let release: () => void = () => undefined;
  bench.proxy.held = new Promise((resolve) => {
    release = resolve;
  });
  const [first, second] = [new AbortController(), new AbortController()];
  const reads = [first, second].map(({ signal }) => cache.use(input, signal, (p) => readFile(p)));
  first.abort();
  expect((await reads[0])?.ok).toBe(false);
  release();
  bench.proxy.held = undefined;
  expect((await reads[1])?.ok).toBe(true);
  expect(bench.proxy.asked).toHaveLength(1);
});
