import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { Farm } from '../support/farm.ts';
import { templateWith, writeBundle } from './support/bundle.ts';
import { runCli, startCli, testDir } from './support/run-cli.ts';

let farm: Farm;
let nodeId: string;

beforeAll(async () => {
  farm = await Farm.start();
  ({ nodeId } = await farm.startAgent({ slots: 1 }));
});
afterAll(() => farm.stop());

const url = () => farm.urls[0] ?? '';
const readJob = (jobId: string) => farm.readJob(jobIdSchema.parse(jobId));

/** The CLI with the admin key of a real farm. */
async function start() {
  const cwd = await testDir();
  const env = { KARST_URL: url(), KARST_API_KEY_FILE: path.join(farm.dir, 'admin.key') };
  const karst = (...args: string[]) => runCli(args, { cwd, env });
  const submit = async (command: readonly string[]) => {
    const [program = '', ...args] = command;
    const action = `"${program}","args":${JSON.stringify(args)}`;
    await writeBundle(path.join(cwd, 'job'), templateWith().replace('"true"', action));
    return (await karst('submit', 'job', '--max-retries', '0')).stdout.trim();
  };
  const taskCount = async (jobId: string, state: 'running' | 'waiting' | 'failed') =>
    (await readJob(jobId)).taskCounts[state];
  return { cwd, env, karst, submit, taskCount };
}

describe('karst on a real farm', () => {
  it('cancels a running job, and whoever waits for it exits with 2', async () => {
    const { cwd, env, karst, submit, taskCount } = await start();
    const jobId = await submit(['sleep', '1000']);
    await eventually('it runs', async () => (await taskCount(jobId, 'running')) === 1);
    const waiting = startCli(['wait', jobId], { cwd, env });
    await waiting.says('1 running');
    const canceled = await karst('cancel', jobId);
    expect(canceled.stderr).toBe(`Job ${jobId} is canceled.\n`);
    expect((await waiting.result()).code).toBe(2);
  });

  it('pauses and resumes', async () => {
    const { karst, submit } = await start();
    const jobId = await submit(['sleep', '0']);
    await farm.jobIn(jobIdSchema.parse(jobId), ['succeeded']);
    expect((await karst('pause', jobId)).stderr).toMatch(/^karst: The state does not allow this/);
    await karst('node', 'drain', nodeId);
    const held = await submit(['sleep', '0']);
    expect((await karst('pause', held)).stderr).toBe(`Job ${held} is paused.\n`);
    expect((await karst('resume', held)).code).toBe(0);
    expect((await karst('node', 'undrain', nodeId)).stderr).toBe(`Node ${nodeId} is online.\n`);
    expect((await karst('wait', held)).code).toBe(0);
  });

  it('sets a node up and shows why it takes no work', async () => {
    const { karst } = await start();
    const { nodeId: other } = await farm.startAgent({
      env: { KARST_TAGS: 'workstation', KARST_LATENCY_MS: 'shanghai=18.5,guiyang=2' },
    });
    const year = 'mon-sun 20:00-20:00 Europe/Berlin';
    const set = await karst('node', 'set', other, '--pool', 'render', '--tags', 'rtx, big');
    expect(set.stderr).toBe(`Node ${other} is online.\n`);
    expect((await karst('node', 'set', other, '--schedule', year, '--stop', 'hard')).code).toBe(0);
    const shown = (await karst('get', 'node', other)).stdout;
    expect(shown).toMatch(/Pool: +render\n/);
    expect(shown).toMatch(/Tags: +workstation, rtx, big\n/);
    expect(shown).toContain(`${year}, then a hard stop`);
    const stopped = await karst('node', 'drain', other, '--now');
    expect(stopped.stderr).toBe(`Node ${other} is draining: an operator stopped it.\n`);
    const nodes = await karst('get', 'nodes');
    expect(nodes.stdout).toMatch(new RegExp(`${other} .* render .*an operator stopped it`));
    expect((await karst('node', 'set', other, '--schedule', 'always')).code).toBe(0);
    expect((await karst('get', 'node', other)).stdout).toMatch(/Schedule: +always\n/);
    const odd = await karst('node', 'set', other, '--schedule', 'mo 20:00-08:00 UTC');
    expect(odd).toMatchObject({ code: 3 });
    expect(odd.stderr).toContain('--schedule: found the days "mo"');
    const prices = ['--gpu-hour-price', '1.8', '--core-hour-price', '0.04'];
    expect((await karst('node', 'set', other, ...prices)).code).toBe(0);
    const priced = (await karst('get', 'node', other)).stdout;
    expect(priced).toMatch(/Price: +1\.8 a GPU-hour, 0\.04 a core-hour\n/);
    expect(priced).toMatch(/Latency: +shanghai 18\.5 ms, guiyang 2 ms\n/);
    await karst('node', 'set', other, '--gpu-hour-price', 'none');
    expect((await karst('get', 'nodes')).stdout).toMatch(
      new RegExp(`${other} .* render .* 0\\.04/core-h `),
    );
    const negative = await karst('node', 'set', other, '--gpu-hour-price=-1');
    expect(negative).toMatchObject({ code: 3 });
    expect(negative.stderr).toContain('Expected a number of 0 or more.');
    expect((await karst('node', 'set', other)).code).toBe(3);
    expect((await karst('node', 'drain', other)).code).toBe(0);
  });

  it('tells a failure, prints its log, and runs it again', async () => {
    const { cwd, karst, submit } = await start();
    const flag = path.join(cwd, 'fixed');
    const script = `if test -e ${flag}; then echo now it works; else echo no camera; exit 3; fi`;
    const jobId = await submit(['sh', '-c', script]);
    const failed = await karst('wait', jobId);
    expect(failed.stderr).toContain('Render task 0: exited with code 3');
    expect(failed.code).toBe(5);
    const log = await karst('logs', jobId);
    expect(log.stderr).toBe('This is Render task 0.\n');
    expect(log.stdout).toContain('no camera');
    const tasks = await karst('get', 'tasks', jobId, '--state', 'failed', '-o', 'name');
    expect(tasks.stdout).toBe('Render/0\n');

    await writeFile(flag, '');
    const retried = await karst('retry', jobId, '--failed');
    expect(retried.stderr).toBe(`1 task of job ${jobId} will run again.\n`);
    expect((await karst('wait', jobId)).code).toBe(0);
    expect((await karst('logs', jobId, '--task', '0')).stdout).toContain('now it works');
    expect((await karst('requeue', jobId, '--step', 'Render', '--task', '0')).code).toBe(0);
    expect((await karst('wait', jobId)).code).toBe(0);
  });

  it('adds tasks to a job that has succeeded, once', async () => {
    const { cwd, karst } = await start();
    const template = JSON.parse(templateWith());
    const taskParameterDefinitions = [
      { name: 'Frame', type: 'INT', range: '1-3' },
      { name: 'Look', type: 'STRING', range: ['day', 'dusk'] },
    ];
    Object.assign(template.steps[0], { parameterSpace: { taskParameterDefinitions } });
    await writeBundle(path.join(cwd, 'job'), JSON.stringify(template));
    const jobId = (await karst('submit', 'job')).stdout.trim();
    expect((await karst('wait', jobId)).code).toBe(0);
    const added = await karst('add-tasks', jobId, 'Render', 'Frame=4-5,9');
    expect(added.stderr).toBe(`6 tasks added to Render of job ${jobId}: 6 to 11.\n`);
    expect(added.stdout).toBe('Render/6-11\n');
    const looks = ['Frame=9', 'Look=["night"]', '-o', 'json'];
    const night = await karst('add-tasks', jobId, 'Render', ...looks);
    expect(JSON.parse(night.stdout)).toMatchObject({ first: 12, last: 12, step: { index: 0 } });
    expect((await karst('wait', jobId)).code).toBe(0);
    expect((await readJob(jobId)).taskCounts.succeeded).toBe(13);
    const again = await karst('add-tasks', jobId, 'Render', 'Frame=5-6');
    expect(again.stderr).toContain('"Render" has such a task already: Frame 5, Look day');
    expect(again.code).toBe(1);
    for (const odd of [['Frame'], ['Frame=1', 'Frame=2'], ['Look=[day]']]) {
      expect((await karst('add-tasks', jobId, 'Render', ...odd)).code).toBe(3);
    }
  });

  it('follows a log while the task runs', async () => {
    const { cwd, env, submit, taskCount } = await start();
    const go = path.join(cwd, 'go');
    const jobId = await submit([
      'sh',
      '-c',
      `echo first; until test -e ${go}; do sleep 0.1; done; echo last`,
    ]);
    await eventually('it runs', async () => (await taskCount(jobId, 'running')) === 1);
    const log = startCli(['logs', jobId, '-f'], { cwd, env });
    await log.says('first');
    await writeFile(go, '');
    const { stdout, code } = await log.result();
    expect(stdout).toContain('last');
    expect(stdout.match(/first/g)).toHaveLength(1);
    expect(code).toBe(0);
  });

  it('makes keys that may only what they say, and takes them back', async () => {
    const { cwd, karst } = await start();
    const made = await karst('key', 'create', '--studio', 'acme', '--role', 'read');
    expect(made.stdout).toMatch(/^karst_[0-9a-f]{20}_\S+\n$/);
    await writeFile(path.join(cwd, 'acme.key'), made.stdout);
    const asAcme = (...args: string[]) =>
      runCli([...args, '--url', url(), '--key-file', 'acme.key'], { cwd });
    const self = await asAcme('whoami', '-o', 'json');
    expect(JSON.parse(self.stdout)).toMatchObject({ studio: 'acme', role: 'read' });
    expect((await asAcme('get', 'jobs', '-o', 'json')).stdout).toBe('[]\n');
    const refused = await asAcme('get', 'nodes');
    expect(refused.stderr).toContain('The key may not do this');
    expect(refused.code).toBe(4);
    const list = await karst('key', 'list', '-o', 'name');
    const keyId = made.stdout.split('_')[1] ?? '';
    expect(list.stdout).toContain(keyId);
    expect((await karst('key', 'revoke', keyId)).code).toBe(0);
    await eventually('the key is refused', async () => (await asAcme('whoami')).code === 4);
  });

  it('enrols a machine by a token that works once', async () => {
    const { cwd, karst } = await start();
    await writeFile(
      path.join(cwd, 'token'),
      (await karst('node', 'enroll', '--ttl', '60s')).stdout,
    );
    const agent = (dir: string) => {
      const flags = ['--url', url(), '--dir', dir, '--token-file', 'token', '--name', dir];
      return startCli(['agent', ...flags], { cwd });
    };
    const first = agent('one');
    await first.says('"event":"ready"');
    const nodes = JSON.parse((await karst('get', 'nodes', '-o', 'json')).stdout);
    expect(nodes).toContainEqual(expect.objectContaining({ name: 'one', state: 'online' }));
    const second = await agent('two').result();
    expect(second.stderr).toContain('used');
    expect(second.code).not.toBe(0);
    first.signal('SIGTERM');
    expect((await first.result()).code).toBe(0);
  });
});
