import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FixtureServer, JOB_ID, sendS3Error } from './support/fixture-server.ts';
import { startCli, testDir } from './support/run-cli.ts';

const counts = (succeeded: number, failed = 0) => ({
  waiting: 3 - succeeded - failed,
  running: 0,
  succeeded,
  failed,
  canceled: 0,
});

/** A CLI that follows a job of three tasks and has connected. */
async function startFollowing(prepare: (server: FixtureServer) => void = () => undefined) {
  const server = await FixtureServer.start();
  prepare(server);
  const cwd = await testDir();
  const args = ['download', JOB_ID, '--follow', '-d', 'out'];
  const cli = startCli(args, { cwd, env: server.env });
  await eventually('connected', () => server.seen('GET', '/v1/events').length > 0);
  await eventually('caught up', () => server.seen('GET', `/v1/jobs/${JOB_ID}`).length > 1);
  const out = path.join(cwd, 'out');
  const finish = (task: number) => {
    server.addOutput(`frames/${task}.png`, `frame ${task}`, 'Render', task);
    const range = { step: 'Render', first: task, last: task, state: 'succeeded' };
    server.emit({ type: 'tasks', jobId: JOB_ID, ...range });
  };
  const frames = async () => (await readdir(path.join(out, 'frames'))).sort();
  const listings = () => server.seen('GET', `/v1/jobs/${JOB_ID}/outputs`).map(({ path }) => path);
  return { server, cli, out, finish, frames, listings };
}

describe('karst download --follow', () => {
  it('fetches outputs as tasks finish, those alone, and ends with the job', async () => {
    const { server, cli, out, finish, frames, listings } = await startFollowing((server) =>
      server.addOutput('frames/0.png', 'frame 0', 'Render', 0),
    );
    await eventually('what was there', async () => (await frames()).includes('0.png'));
    finish(1);
    await eventually('the next frame', async () => (await frames()).includes('1.png'));
    const ofSteps = () => listings().filter((query) => query.includes('step='));
    await eventually('that task alone is asked for', () => ofSteps().length > 0);
    expect(ofSteps()).toEqual([expect.stringMatching(/[?&]step=Render&firstTask=1&lastTask=1&/)]);
    // All was asked for at the start and on connecting, no more.
    const whole = listings().filter((query) => !/step=|cursor=/.test(query));
    expect(whole.length).toBeLessThanOrEqual(2);
    server.moveJob({ state: 'running', taskCounts: counts(2) });
    await cli.says('2/3 done');
    server.addOutput('frames/2.png', 'frame 2', 'Render', 2);
    server.moveJob({ state: 'succeeded', taskCounts: counts(3) });
    const { code, stderr } = await cli.result();
    expect(stderr).toContain(`Job ${JOB_ID} succeeded: 3 of 3 tasks`);
    expect(stderr).toContain(`Downloaded 3 files (21 bytes) to ${out}.`);
    expect(await readFile(path.join(out, 'frames/2.png'), 'utf8')).toBe('frame 2');
    expect(code).toBe(0);
  });

  it('exits as waiting does when the job fails, with what there is', async () => {
    const { server, cli, finish, frames } = await startFollowing();
    finish(1);
    server.failStep('Render', 2, 'exit code 1');
    server.moveJob({ state: 'failed', taskCounts: counts(1, 2) });
    const { code, stderr } = await cli.result();
    expect(stderr).toContain('Downloaded 1 file (7 bytes)');
    expect(await frames()).toEqual(['1.png']);
    expect(code).toBe(5);
  });

  it('finds what it missed while events were cut off', async () => {
    const { server, cli, frames } = await startFollowing();
    server.addOutput('frames/1.png', 'frame 1', 'Render', 1);
    server.breakWatchers();
    await eventually('the frame nobody told of', async () => (await frames()).includes('1.png'));
    server.moveJob({ state: 'succeeded', taskCounts: counts(3) });
    expect((await cli.result()).code).toBe(0);
  });

  it('stops and says why when an output can’t be had', async () => {
    const { server, cli, finish } = await startFollowing();
    server.answers.set(`GET /storage/${encodeURIComponent('Render/1/frames/1.png')}`, (_, answer) =>
      sendS3Error(answer, 400, 'InvalidRequest', 'no'),
    );
    finish(1);
    const { code, stderr } = await cli.result();
    expect(stderr).toContain('karst: Storage refused frames/1.png: InvalidRequest: no (400).');
    expect(code).toBe(1);
  });

  it('detaches on Ctrl-C and says how to come back', async () => {
    const { cli } = await startFollowing();
    cli.signal('SIGINT');
    const { code, stderr } = await cli.result();
    expect(stderr).toContain(`Come back with: karst download ${JOB_ID} -d out --follow`);
    expect(code).toBe(130);
  });
});
