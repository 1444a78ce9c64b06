import { execFile } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type ZipSource, zipArchive } from '@karst/orchestrator/zip/archive.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'karst-zip-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const nowMs = Date.UTC(2026, 1, 3, 4, 5, 6);
async function* once(text: string | Buffer) {
  yield Buffer.from(text);
}
const small = (name: string, text: string): ZipSource => ({
  name,
  sizeBytes: Buffer.byteLength(text),
  bytes: once(text),
});

/** Writes the zip, chunks of nothing but zeros as holes, and asks Python, which we did not write. */
async function askPython(sources: () => AsyncGenerator<ZipSource>, script: string) {
  const path = join(dir, 'made.zip');
  const file = await open(path, 'w');
  let at = 0;
  let gathered: Buffer[] = [];
  const flush = async () => {
    const bytes = Buffer.concat(gathered);
    await file.write(bytes, 0, bytes.length, at);
    at += bytes.length;
    gathered = [];
  };
  for await (const chunk of zipArchive(sources(), nowMs)) {
    if (chunk !== zeros) {
      gathered.push(chunk);
      if (gathered.length === 10_000) await flush();
      continue;
    }
    await flush();
    at += chunk.length;
  }
  await flush();
  await file.close();
  const program = `import sys, json, zipfile\nz = zipfile.ZipFile(sys.argv[1])\n${script}`;
  const { stdout } = await promisify(execFile)('python3', ['-c', program, path]);
  return JSON.parse(stdout);
}
const zeros = Buffer.alloc(16 * 1024 * 1024);

it('is read by others as it was: names, bytes, times, rights', async () => {
  async function* sources() {
    yield small('Render/a.txt', 'hello');
    yield small('Render/empty', '');
    yield small('Übersicht/日本 🎬.txt', 'ü');
  }
  const told = await askPython(
    sources,
    `print(json.dumps([z.testzip()] + [[i.filename, z.read(i).decode(), i.date_time, i.external_attr >> 16, i.create_version] for i in z.infolist()]))`,
  );
  const time = [2026, 2, 3, 4, 5, 6];
  expect(told).toEqual([
    null,
    ['Render/a.txt', 'hello', time, 0o100644, 20],
    ['Render/empty', '', time, 0o100644, 20],
    ['Übersicht/日本 🎬.txt', 'ü', time, 0o100644, 20],
  ]);
});

it('without any file is a zip all the same', async () => {
  async function* sources(): AsyncGenerator<ZipSource> {}
  expect(await askPython(sources, 'print(json.dumps(z.namelist()))')).toEqual([]);
});

it('takes more than 65,535 files', async () => {
  async function* sources() {
    for (let n = 0; n < 70_000; n++) yield small(`frames/${n}`, n % 10_000 === 0 ? `${n}` : '');
  }
  const script = `print(json.dumps([len(z.infolist()), z.read('frames/60000').decode()]))`;
  expect(await askPython(sources, script)).toEqual([70_000, '60000']);
});

it('takes a file of more than 4 GiB, and files behind it', async () => {
  const chunks = 257;
  async function* large() {
    for (let n = 0; n < chunks; n++) yield zeros;
  }
  async function* sources() {
    yield small('first', '1');
    yield { name: 'large', sizeBytes: chunks * zeros.length, bytes: large() };
    yield small('last', 'behind it');
  }
  const told = await askPython(
    sources,
    `i = z.getinfo('last')\nprint(json.dumps([z.getinfo('large').file_size, z.open('large').read(3).hex(), i.header_offset > 2**32, z.read('last').decode()]))`,
  );
  expect(told).toEqual([chunks * zeros.length, '000000', true, 'behind it']);
});

it.each([
  ['fewer', 'abc'],
  ['more', 'abcdefgh'],
])('fails, without a directory, where a file has %s bytes than it says', async (_, text) => {
  async function* sources() {
    yield { name: 'x', sizeBytes: 5, bytes: once(text) };
  }
  const made: Buffer[] = [];
  const reading = (async () => {
    for await (const chunk of zipArchive(sources(), nowMs)) made.push(chunk);
  })();
  await expect(reading).rejects.toThrow('x: storage has');
  expect(Buffer.concat(made).includes('PK\x01\x02')).toBe(false);
});
