import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { readShard, writeShard } from '@karst/cli/transfer/hash-shard.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FixtureServer, JOB_ID, sendContent, sendS3Error } from './support/fixture-server.ts';
import { runCli, startCli, testDir } from './support/run-cli.ts';

const MEBIBYTE = 1024 * 1024;
const storagePath = (name: string) => `/storage/${encodeURIComponent(`Render/0/${name}`)}`;

async function start() {
  const cwd = await testDir();
  const server = await FixtureServer.start();
  const args = ['download', JOB_ID, '-d', 'out'];
  const env = server.env;
  const options = { cwd, env };
  return {
    out: path.join(cwd, 'out'),
    env,
    server,
    download: () => runCli(args, options),
    startDownload: () => startCli(args, options),
    ranges: (name: string) =>
      server.seen('GET', storagePath(name)).map(({ headers }) => headers.range),
  };
}

/** A download that was killed when storage had sent so many bytes and no more. */
async function killedAfter(bytes: number, content: Buffer) {
  const farm = await start();
  farm.server.addOutput('model.bin', content);
  const place = `GET ${storagePath('model.bin')}`;
  farm.server.answers.set(place, (_, response) => {
    response.writeHead(200, { 'content-length': content.length });
    response.write(content.subarray(0, bytes));
  });
  const killed = farm.startDownload();
  const partial = await eventually('what came is on the disk', async () => {
    const [name = ''] = await readdir(farm.out);
    const held = await readFile(path.join(farm.out, name));
    return held.length === bytes ? path.join(farm.out, name) : undefined;
  });
  killed.signal('SIGKILL');
  await killed.result();
  farm.server.answers.delete(place);
  return { ...farm, partial };
}

describe('karst download, broken off', () => {
  it('goes on at the byte where a killed download stopped', async () => {
    const content = randomBytes(700_000);
    const { out, download, ranges, partial } = await killedAfter(300_000, content);
    expect(path.basename(partial)).toMatch(/^\.karst-.*\.part$/);
    const result = await download();
    expect(result.code).toBe(0);
    expect(ranges('model.bin')).toEqual([undefined, 'bytes=300000-699999']);
    expect((await readFile(path.join(out, 'model.bin'))).equals(content)).toBe(true);
    expect(await readdir(out)).toEqual(['model.bin']);
  });

  it('starts over when what the killed download left is not what it was', async () => {
    const content = randomBytes(700_000);
    const { out, download, ranges, partial } = await killedAfter(300_000, content);
    await writeFile(partial, randomBytes(200_000));
    expect((await download()).code).toBe(0);
    expect(ranges('model.bin').slice(1)).toEqual(['bytes=200000-699999', undefined]);
    expect((await readFile(path.join(out, 'model.bin'))).equals(content)).toBe(true);
    expect(await readdir(out)).toEqual(['model.bin']);
  });

  it('fetches nothing when only the last step was missing', async () => {
    const content = randomBytes(400_000);
    const { out, download, ranges, partial } = await killedAfter(300_000, content);
    await writeFile(partial, content);
    expect((await download()).code).toBe(0);
    expect(ranges('model.bin')).toEqual([undefined]);
    expect(await readdir(out)).toEqual(['model.bin']);
  });

  it('takes another content’s leftovers for nothing', async () => {
    const { out, server, download } = await killedAfter(300_000, randomBytes(700_000));
    server.addOutput('model.bin', 'rendered again');
    expect((await download()).code).toBe(0);
    expect(await readFile(path.join(out, 'model.bin'), 'utf8')).toBe('rendered again');
  });
});

describe('karst download, in pieces', () => {
  it('fetches a large file by several requests at once and puts it together in order', async () => {
    const { out, server, download } = await start();
    const content = randomBytes(8 * MEBIBYTE + 7);
    server.addOutput('large.exr', content);
    const place = `GET ${storagePath('large.exr')}`;
    const waiting: (() => void)[] = [];
    server.answers.set(place, (request, response) => {
      waiting.push(() => sendContent(request, response, content));
      // All three pieces are asked for before the first is answered; the last is answered first.
      if (waiting.length === 3) for (const answer of waiting.splice(0).reverse()) answer();
    });
    expect((await download()).code).toBe(0);
    expect((await readFile(path.join(out, 'large.exr'))).equals(content)).toBe(true);
  });

  it('gets a new link when one runs out in the middle, and goes on at that byte', async () => {
    const { out, server, download, ranges } = await start();
    const content = randomBytes(500_000);
    server.addOutput('slow.exr', content);
    const expired = new Set<string>();
    server.answers.set(`GET ${storagePath('slow.exr')}`, (request, response) => {
      if (expired.has(request.path)) {
        sendS3Error(response, 403, 'AccessDenied', 'Request has expired');
      } else if (expired.size === 0) {
        expired.add(request.path);
        response.writeHead(200, { 'content-length': content.length });
        response.write(content.subarray(0, 200_000), () => response.destroy());
      } else sendContent(request, response, content);
    });
    const result = await download();
    expect(result.stderr).toContain('Downloaded 1 file (488 KB)');
    const [whole, refused, rest] = ranges('slow.exr');
    expect([whole, refused]).toEqual([undefined, rest]);
    expect(rest).toMatch(/^bytes=[1-9]\d*-499999$/);
    expect((await readFile(path.join(out, 'slow.exr'))).equals(content)).toBe(true);
  });

  it('asks about the clocks when storage refuses a new link as well', async () => {
    const { server, download, ranges } = await start();
    server.addOutput('a.exr', 'x');
    server.answers.set(`GET ${storagePath('a.exr')}`, (_, response) =>
      sendS3Error(response, 403, 'AccessDenied', 'Request has expired'),
    );
    const result = await download();
    expect(result.stderr).toBe(
      'karst: Storage refused a.exr: AccessDenied: Request has expired (403), and so it did with ' +
        'a new link. Do the clocks of the orchestrator and of storage agree?\n',
    );
    expect(result.code).toBe(1);
    expect(ranges('a.exr')).toHaveLength(2);
  });

  it('never takes the beginning of a file for its end', async () => {
    const { server, download } = await killedAfter(300_000, randomBytes(700_000));
    server.answers.set(`GET ${storagePath('model.bin')}`, (_, response) => {
      response.writeHead(200).end(randomBytes(700_000));
    });
    const result = await download();
    expect(result.stderr).toContain('Storage answers without the range that was asked for');
    expect(result.code).toBe(1);
  });
});

describe('karst download, again', () => {
  it('does not read what it wrote or read before and nobody has changed since', async () => {
    const { out, env, server, download } = await start();
    const cacheDir = path.join(path.dirname(out), 'cache');
    env.KARST_CACHE_DIR = cacheDir;
    for (const n of [1, 2, 3]) server.addOutput(`${n}.png`, `frame ${n}`, 'Render', n);
    expect((await download()).stderr).toContain('Downloaded 3 files');
    expect((await download()).stderr).toContain('3 files there already');
    // A cache that says otherwise is believed: so the file itself was not asked.
    const hashes = path.join(cacheDir, 'hashes');
    const known = await readShard(hashes, out);
    expect([...known.keys()].sort()).toEqual(['1.png', '2.png', '3.png']);
    const entry = known.get('2.png');
    if (entry !== undefined) entry[4] = 'f'.repeat(64);
    await writeShard(hashes, out, known, systemRandom);
    expect((await download()).stderr).toContain('Downloaded 1 file');
  });
});
