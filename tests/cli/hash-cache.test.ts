import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { FileStamp } from '@karst/cli/transfer/file-stamp.ts';
import { HashCache } from '@karst/cli/transfer/hash-cache.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { describe, expect, it } from 'vitest';
import { testDir } from './support/run-cli.ts';

const clock = { nowMs: () => 1_700_000_100_000, monotonicMs: () => 0 };
const sha256 = 'a'.repeat(64);
/** Written at 1,700,000,000.5 s: a file system that keeps fractions. */
const stamp: FileStamp = {
  sizeBytes: 5,
  mtimeNs: 1_700_000_000_500_000_000n,
  ctimeNs: 1_700_000_000_500_000_000n,
  inode: 7n,
};
const writtenAtMs = 1_700_000_000_500;
const file = '/film/tex/wood.png';

const open = (dir: string) => new HashCache(dir, clock, systemRandom);
async function remembered(own = stamp, readFromMs = writtenAtMs + 60_000) {
  const dir = await testDir();
  const cache = open(dir);
  await cache.remember(file, own, sha256, readFromMs);
  await cache.flush();
  return dir;
}

describe('the hash cache', () => {
  it('knows a file that is as it was, and no other', async () => {
    const dir = await remembered();
    const cache = open(dir);
    expect(await cache.find(file, stamp)).toBe(sha256);
    const changes: Partial<FileStamp>[] = [
      { sizeBytes: 6 },
      { mtimeNs: stamp.mtimeNs + 1n },
      { ctimeNs: stamp.ctimeNs + 1n },
      { inode: 8n },
    ];
    for (const change of changes) {
      expect(await cache.find(file, { ...stamp, ...change })).toBeUndefined();
    }
    expect(await cache.find('/film/tex/wood.jpg', stamp)).toBeUndefined();
    expect(await cache.find('/film/other/wood.png', stamp)).toBeUndefined();
  });

  it.each([
    ['50 ms after it was written', stamp, writtenAtMs + 50, false],
    ['150 ms after it was written', stamp, writtenAtMs + 150, true],
    ['before it was written, by this clock', stamp, writtenAtMs - 3_600_000, false],
    ['1 s after a whole second', whole(), 1_700_000_001_000, false],
    ['3 s after a whole second', whole(), 1_700_000_003_000, true],
  ])('trusts what was read %s: %#', async (_, own, readFromMs, trusted) => {
    const dir = await remembered(own, readFromMs);
    expect(await open(dir).find(file, own)).toBe(trusted ? sha256 : undefined);
  });

  it('forgets', async () => {
    const dir = await remembered();
    const cache = open(dir);
    await cache.forget(file);
    await cache.flush();
    expect(await open(dir).find(file, stamp)).toBeUndefined();
  });

  it('keeps what two submits found out at once', async () => {
    const dir = await remembered();
    const [one, two] = [open(dir), open(dir)];
    const others = ['/film/tex/a', '/film/tex/b'];
    // Both have read the shard before either writes it.
    expect(await one.find(file, stamp)).toBe(await two.find(file, stamp));
    await one.remember(others[0] ?? '', stamp, 'b'.repeat(64), writtenAtMs + 60_000);
    await two.remember(others[1] ?? '', stamp, 'c'.repeat(64), writtenAtMs + 60_000);
    await one.flush();
    await two.flush();
    const found = await Promise.all([file, ...others].map((name) => open(dir).find(name, stamp)));
    expect(found.map((hash) => hash?.[0])).toEqual(['a', 'b', 'c']);
  });

  it('takes a damaged file for none, and writes a whole one in its place', async () => {
    const dir = await remembered();
    const [name = ''] = await readdir(dir);
    const shard = path.join(dir, name);
    const whole = await readFile(shard, 'utf8');
    const damages = [
      '',
      whole.slice(0, -5),
      whole.replace(sha256, sha256.replace('a', 'b')),
      '\u0000'.repeat(100),
      'x\n{"version":1}',
    ];
    for (const damage of damages) {
      await writeFile(shard, damage);
      const cache = open(dir);
      expect(await cache.find(file, stamp)).toBeUndefined();
      await cache.remember(file, stamp, sha256, writtenAtMs + 60_000);
      await cache.flush();
      expect(await open(dir).find(file, stamp)).toBe(sha256);
    }
  });

  it('keeps names apart that mean something to JavaScript', async () => {
    const dir = await testDir();
    const cache = open(dir);
    const names = ['__proto__', 'constructor', 'toString', '-n', 'a"b', '\u{1f3ac}'];
    for (const name of names) {
      await cache.remember(`/film/${name}`, stamp, sha256, writtenAtMs + 60_000);
    }
    await cache.flush();
    const again = open(dir);
    expect(await again.find('/film/hasOwnProperty', stamp)).toBeUndefined();
    for (const name of names.slice(1))
      expect(await again.find(`/film/${name}`, stamp)).toBe(sha256);
  });

  it('does not mind having no place to write', async () => {
    const dir = await testDir();
    await writeFile(path.join(dir, 'file'), '');
    const cache = open(path.join(dir, 'file', 'below'));
    await cache.remember(file, stamp, sha256, writtenAtMs + 60_000);
    await expect(cache.flush()).resolves.toBeUndefined();
  });
});

/** As file systems with whole seconds tell it. */
function whole(): FileStamp {
  const secondNs = 1_700_000_000_000_000_000n;
  return { ...stamp, mtimeNs: secondNs, ctimeNs: secondNs };
}
