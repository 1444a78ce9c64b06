import { randomBytes } from 'node:crypto';
import { appendFile, lstat, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileTree } from '@karst/agent/inputs/file-tree.ts';
import { FilePlacer } from '@karst/agent/inputs/placing.ts';
import { expect, it } from 'vitest';
import { cacheBench } from './support/cache-for-test.ts';

const bench = cacheBench();
const never = new AbortController().signal;
const mebibyte = 1024 * 1024;

const treeIn = (name: string) =>
  new FileTree(join(bench.dir, name, 'files'), join(bench.dir, name, 'incoming'));

async function place(links: boolean, sizeBytes: number, more: object = {}) {
  const cache = await bench.open();
  const placer = new FilePlacer(links);
  const content = randomBytes(sizeBytes);
  const input = await bench.input(content);
  const file = { ...input, isReadOnly: true, ...more };
  const into = async (tree: FileTree) => {
    const used = await cache.use(input, never, (path) => tree.place('a.bin', file, path, placer));
    if (!used.ok) throw new Error(used.error.message);
    return join(tree.dir, 'a.bin');
  };
  return { cache, input, content, into, wanted: new Map([['a.bin', file]]) };
}

it('links large inputs for reading only, and knows them by their content, not by their links', async () => {
  const { input, content, into, wanted } = await place(true, 9 * mebibyte);
  const [one, other] = [treeIn('one'), treeIn('other')];
  const path = await into(one);
  const { ino, mode } = await stat(path);
  expect({ ino, mode: mode & 0o777 }).toEqual({
    ino: (await stat(bench.pathOf(input))).ino,
    mode: 0o444,
  });
  await into(other);
  // The second link moved the ctime of both.
  expect(await one.prepare(wanted, 0)).toEqual(new Set());
  await one.adapt();
  expect(await one.prepare(wanted, 0)).toEqual(new Set());
  expect((await readFile(path)).equals(content)).toBe(true);
});

it('finds a linked input that a task wrote into all the same, and brings the right one', async () => {
  const { cache, content, into, wanted } = await place(true, 9 * mebibyte);
  const [one, other] = [treeIn('one'), treeIn('other')];
  await appendFile(await into(one), 'more');
  expect(await one.prepare(wanted, 0)).toEqual(new Set(['a.bin']));
  expect((await readFile(await into(other))).equals(content)).toBe(true);
  expect((await readFile(await into(one))).equals(content)).toBe(true);
  expect(cache.corrupted).toBe(1);
});

it.each([
  ['small', true, 1000, {}],
  ['executable', true, 9 * mebibyte, { executable: true }],
  ['at a place where tasks write', true, 9 * mebibyte, { isReadOnly: false }],
  ['brought by root', false, 9 * mebibyte, {}],
])('copies an input that is %s: a task may change it', async (_, links, sizeBytes, more) => {
  const { cache, input, content, into } = await place(links, sizeBytes, more);
  const path = await into(treeIn('one'));
  const { mode, nlink } = await lstat(path);
  expect({ nlink, writable: (mode & 0o200) !== 0 }).toEqual({ nlink: 1, writable: true });
  expect((mode & 0o100) !== 0).toBe('executable' in more);
  await writeFile(path, 'changed');
  expect((await readFile(bench.pathOf(input))).equals(content)).toBe(true);
  await into(treeIn('other'));
  expect(cache.corrupted).toBe(0);
});
