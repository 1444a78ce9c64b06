import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { FixtureServer, JOB_ID, sendJson } from './support/fixture-server.ts';
import { runCli, testDir } from './support/run-cli.ts';

async function start() {
  const cwd = await testDir();
  const server = await FixtureServer.start();
  const download = (...flags: string[]) =>
    runCli(['download', JOB_ID, '-d', 'out', ...flags], { cwd, env: server.env });
  return { cwd, out: path.join(cwd, 'out'), server, download };
}

describe('karst download', () => {
  it('pages through the outputs, verifies them and keeps what is there already', async () => {
    const { out, server, download } = await start();
    for (const n of [1, 2, 3, 4, 5]) server.addOutput(`frames/${n}.png`, `frame ${n}`, 'Render', n);
    const first = await download();
    expect(first.stderr).toContain(`Downloaded 5 files (35 bytes) to ${out}.`);
    expect(first.code).toBe(0);
    expect(await readFile(path.join(out, 'frames/3.png'), 'utf8')).toBe('frame 3');

    await writeFile(path.join(out, 'frames/3.png'), 'damaged');
    const before = await stat(path.join(out, 'frames/1.png'));
    const second = await download();
    expect(second.stderr).toContain('Downloaded 1 file (7 bytes)');
    expect(second.stderr).toContain('4 files there already.');
    expect(await readFile(path.join(out, 'frames/3.png'), 'utf8')).toBe('frame 3');
    expect((await stat(path.join(out, 'frames/1.png'))).ino).toBe(before.ino);
  });

  it('refuses content that does not match its hash and leaves no half file', async () => {
    const { out, server, download } = await start();
    server.addOutput('a.png', 'good');
    const stored = server.outputs.get('Render/0/a.png');
    if (stored) stored.content = Buffer.from('evil');
    await mkdir(out);
    const result = await download();
    expect(result.stderr).toContain('a.png arrived damaged');
    expect(result.code).toBe(1);
    expect(await readdir(out)).toEqual([]);
  });

  it('tries again when the connection breaks in the middle', async () => {
    const { out, server, download } = await start();
    const content = Buffer.alloc(300_000, 'x');
    server.addOutput('big.exr', content);
    const place = `GET /storage/${encodeURIComponent('Render/0/big.exr')}`;
    server.answers.set(place, (_, response) => {
      server.answers.delete(place);
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 100_000), () => response.destroy());
    });
    expect((await download()).code).toBe(0);
    expect((await readFile(path.join(out, 'big.exr'))).equals(content)).toBe(true);
    expect(await readdir(out)).toEqual(['big.exr']);
    const [first, second] = server.seen('GET', place.slice(4));
    expect(first?.headers.range).toBeUndefined();
    const from = Number(/^bytes=(\d+)-299999$/.exec(second?.headers.range ?? '')?.[1]);
    expect(from).toBeGreaterThan(0);
    expect(from).toBeLessThanOrEqual(100_000);
  });

  it('never writes outside the directory, whatever it is told', async () => {
    const { cwd, server, download } = await start();
    const sha256 = 'a'.repeat(64);
    for (const treePath of ['../escape', '/etc/escape', 'a/../../escape']) {
      const url = `${server.url}/storage/x`;
      const items = [{ step: 'S', task: 0, path: treePath, sha256, sizeBytes: 1, url }];
      server.answers.set(`GET /v1/jobs/${JOB_ID}/outputs`, (_, response) =>
        sendJson(response, 200, { items }),
      );
      const result = await download();
      expect(result.code).toBe(1);
    }
    expect(await readdir(cwd)).toEqual([]);
  });

  it('says when tasks wrote the same path', async () => {
    const { server, download } = await start();
    server.addOutput('model.pt', 'one', 'Train', 0);
    server.addOutput('model.pt', 'two', 'Merge', 0);
    const result = await download();
    expect(result.stderr).toContain('1 path came from more than one task, such as model.pt');
  });
});

describe('karst logs', () => {
  const logPath = `/v1/jobs/${JOB_ID}/steps/Render/tasks/3/log`;

  it('prints the failed task’s log and says which that is', async () => {
    const { cwd, server } = await start();
    server.failStep('Render', 3, 'exit code 1');
    server.answers.set(`GET ${logPath}`, (_, response) => void response.end('no camera\n'));
    const result = await runCli(['logs', JOB_ID], { cwd, env: server.env });
    expect(result.stderr).toBe('This is Render task 3.\n');
    expect(result.stdout).toBe('no camera\n');
  });

  it('follows through a broken connection without repeating itself', async () => {
    const { cwd, server } = await start();
    server.answers.set(`GET ${logPath}`, (request, response) => {
      expect(request.path).toContain('follow=true');
      server.answers.set(`GET ${logPath}`, (_, again) => void again.end('one\ntwo\nthree\n'));
      response.write('one\ntw', () => response.destroy());
    });
    const flags = ['--step', 'Render', '--task', '3', '-f'];
    const result = await runCli(['logs', JOB_ID, ...flags], { cwd, env: server.env });
    expect(result.stdout).toBe('one\ntwo\nthree\n');
    expect(result.code).toBe(0);
  });
});
