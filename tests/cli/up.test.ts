import { randomBytes } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { MULTIPART_THRESHOLD_BYTES } from '@karst/shared/protocol/files.ts';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { templateWith, writeBundle } from './support/bundle.ts';
import { type Cli, runCli, startCli, testDir } from './support/run-cli.ts';

let cwd: string;
const farmDir = () => path.join(cwd, '.karst');

/** Every process that names the farm's directory or has it in its environment. */
async function farmProcesses(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
    const [line, env] = [await read('cmdline'), await read('environ')];
    if (line.includes(farmDir()) || env.includes(farmDir())) found.push(`${pid} ${line}`);
  }
  return found;
}

const noneLeft = () =>
  eventually('nothing is left', async () => (await farmProcesses()).length === 0);

async function up(...flags: string[]) {
  const cli = startCli(['up', '--port', '0', '--json', ...flags], {
    cwd,
    env: { KARST_EXIT_WITH_PARENT: '1' },
  });
  await cli.says('"event":"ready"');
  const ready: { url: string; nodeIds: string[] } = JSON.parse(cli.stdout);
  return { cli, ready };
}

async function stop(cli: Cli) {
  cli.signal('SIGINT');
  const result = await cli.result();
  expect(result.code).toBe(0);
  await noneLeft();
}

describe('karst up', () => {
  it('runs a farm that takes a job, keeps it over a restart and leaves nothing behind', async () => {
    cwd = await testDir();
    const first = await up('--slots', '1');
    await writeBundle(path.join(cwd, 'bundle'), templateWith());
    const submitted = await runCli(['submit', 'bundle', '--wait'], { cwd });
    expect(submitted.stderr).toContain('succeeded: 1 of 1 task');
    expect(submitted.code).toBe(0);

    const second = await runCli(['up', '--port', '0'], { cwd });
    expect(second.stderr).toContain(`A farm is running in ${farmDir()} already`);
    expect(second.code).toBe(1);
    await stop(first.cli);

    const jobId = submitted.stdout.trim();
    const again = startCli(['up', '--json', '--slots', '1'], { cwd });
    await again.says('"event":"ready"');
    expect(JSON.parse(again.stdout)).toMatchObject(first.ready);
    const job = await runCli(['get', 'job', jobId, '-o', 'json'], { cwd });
    expect(JSON.parse(job.stdout)).toMatchObject({ id: jobId, state: 'succeeded' });
    await stop(again);
  });

  it('keeps its secrets from everybody else', async () => {
    cwd = await testDir();
    const { cli } = await up('--no-agent');
    const mode = async (name: string) => (await stat(path.join(farmDir(), name))).mode & 0o777;
    expect(await mode('.')).toBe(0o700);
    for (const name of ['admin.key', 'secrets.json', 'redis/redis.conf']) {
      expect(await mode(name), name).toBe(0o600);
    }
    const secrets = JSON.parse(await readFile(path.join(farmDir(), 'secrets.json'), 'utf8'));
    const lines = (await farmProcesses()).join('\n');
    for (const secret of Object.values<string>(secrets)) expect(lines).not.toContain(secret);
    await stop(cli);
  });

  it('leaves no process when it is killed, and starts again after', async () => {
    cwd = await testDir();
    const { cli } = await up('--slots', '1');
    cli.signal('SIGKILL');
    await noneLeft();
    const after = await up('--slots', '1');
    await stop(after.cli);
  });

  it('starts a part again that died', async () => {
    cwd = await testDir();
    const { cli } = await up('--no-agent');
    const pid = (await readFile(path.join(farmDir(), 'redis', 'redis.pid'), 'utf8')).trim();
    process.kill(Number(pid), 'SIGKILL');
    await cli.says('starting it again');
    await eventually('Redis is back', async () => {
      const now = await readFile(path.join(farmDir(), 'redis', 'redis.pid'), 'utf8');
      return now.trim() !== pid;
    });
    await eventually('the farm works', async () => {
      return (await runCli(['get', 'jobs'], { cwd })).code === 0;
    });
    await stop(cli);
  });

  it('lets tasks finish on Ctrl-C, and kills them on the second', async () => {
    cwd = await testDir();
    const { cli } = await up('--slots', '1');
    const text = templateWith().replace('"true"', '"sleep","args":["1000"]');
    await writeBundle(path.join(cwd, 'long'), text);
    const jobId = (await runCli(['submit', 'long'], { cwd })).stdout.trim();
    await eventually('it runs', async () => {
      const { stdout } = await runCli(['get', 'job', jobId, '-o', 'json'], { cwd });
      return JSON.parse(stdout).taskCounts.running === 1;
    });
    cli.signal('SIGINT');
    await cli.says('running tasks finish first');
    const jobs = await runCli(['get', 'jobs'], { cwd });
    expect(jobs.code).toBe(0);
    await stop(cli);
  });

  it('carries a file of several parts to a task and back', async () => {
    cwd = await testDir();
    const { cli } = await up('--slots', '1');
    const bundle = path.join(cwd, 'large');
    const parameters = [
      { name: 'Big', objectType: 'FILE', dataFlow: 'IN', default: 'big.bin' },
      { name: 'Out', dataFlow: 'OUT', default: 'out' },
    ] as const;
    const copy = '"cp","args":["{{Param.Big}}","{{Param.Out}}/copy.bin"]';
    await writeBundle(bundle, templateWith(parameters).replace('"true"', copy));
    const content = randomBytes(MULTIPART_THRESHOLD_BYTES + 1_000_003);
    await writeFile(path.join(bundle, 'big.bin'), content);
    const result = await runCli(['submit', 'large', '--download', 'back'], { cwd });
    expect(result.stderr).toContain('Uploaded 1 file (65.0 MB)');
    expect(result.code).toBe(0);
    const back = await readFile(path.join(cwd, 'back', 'out', 'copy.bin'));
    expect(back.equals(content)).toBe(true);
    await stop(cli);
  });

  it('says which program is missing', async () => {
    cwd = await testDir();
    const result = await runCli(['up', '--port', '0'], { cwd, env: { PATH: '/nowhere' } });
    expect(result.stderr).toContain('Neither redis-server nor valkey-server is installed.');
    expect(result.code).toBe(1);
  });
});
