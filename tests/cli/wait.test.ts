import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FixtureServer, JOB_ID, sendProblem, someJob } from './support/fixture-server.ts';
import { startCli, testDir } from './support/run-cli.ts';

const counts = (succeeded: number, running = 0, failed = 0, canceled = 0) => ({
  waiting: 3 - succeeded - running - failed - canceled,
  running,
  succeeded,
  failed,
  canceled,
});

/** A CLI that waits for a job and has connected. */
async function startWaiting(...flags: string[]) {
  const server = await FixtureServer.start();
  const cwd = await testDir();
  const cli = startCli(['wait', JOB_ID, ...flags], { cwd, env: server.env });
  await cli.says('0/3 done');
  await eventually('connected', () => server.seen('GET', '/v1/events').length > 0);
  // The read on connecting is the second: from then on events arrive.
  await eventually('caught up', () => server.seen('GET', `/v1/jobs/${JOB_ID}`).length > 1);
  return { server, cli };
}

describe('karst wait', () => {
  it('exits with 0 once the job has succeeded and all outputs are published', async () => {
    const { server, cli } = await startWaiting();
    server.moveJob({ state: 'running', taskCounts: counts(1, 2) });
    await cli.says('1/3 done, 2 running');
    const outputs = { accepted: 3, published: 1 };
    server.moveJob({ state: 'succeeded', taskCounts: counts(3), outputs });
    await cli.says('publishing outputs 1/3');
    server.moveJob({ outputs: { accepted: 3, published: 3 } });
    const { code, stderr, stdout } = await cli.result();
    expect(stderr).toContain(`Job ${JOB_ID} succeeded: 3 of 3 tasks, 3 outputs.`);
    expect(stdout).toBe('');
    expect(code).toBe(0);
  });

  it('says once that a step waits for a person, and how to let it go on', async () => {
    const { server, cli } = await startWaiting();
    server.moveJob({ state: 'running', taskCounts: counts(1), heldSteps: ['Comp'] });
    await cli.says(`Comp is held for approval: karst release ${JOB_ID}.\n`);
    await cli.says('1/3 done, Comp held');
    server.moveJob({ taskCounts: counts(1, 1) });
    server.moveJob({ state: 'succeeded', taskCounts: counts(3), heldSteps: undefined });
    const { code, stderr } = await cli.result();
    expect(stderr.match(/held for approval/g)).toHaveLength(1);
    expect(code).toBe(0);
  });

  it('exits with 5 when the job failed and says why and where the log is', async () => {
    const { server, cli } = await startWaiting();
    server.failStep('Render', 3, 'exit code 1: no camera\u001b[2J');
    server.moveJob({ state: 'failed', taskCounts: counts(2, 0, 1) });
    const { code, stderr } = await cli.result();
    expect(stderr).toContain('Render task 3 (Frame=4): exit code 1: no camera [2J');
    expect(stderr).toContain(`karst logs ${JOB_ID} --step Render --task 3`);
    expect(code).toBe(5);
  });

  it('exits with 2 when the job was canceled', async () => {
    const { server, cli } = await startWaiting();
    server.moveJob({ state: 'canceled', taskCounts: counts(1, 0, 0, 2) });
    expect((await cli.result()).code).toBe(2);
  });

  it('exits with 6 when --timeout has passed', async () => {
    const { cli } = await startWaiting('--timeout', '900ms');
    const { code, stderr } = await cli.result();
    expect(stderr).toContain(`come back with: karst wait ${JOB_ID}`);
    expect(code).toBe(6);
  });

  it('exits with 130 on Ctrl-C, cancels nothing and tells how to come back', async () => {
    const { server, cli } = await startWaiting();
    cli.signal('SIGINT');
    const { code, stderr } = await cli.result();
    expect(stderr).toContain(`Detached; the job goes on. Come back with: karst wait ${JOB_ID}`);
    expect(code).toBe(130);
    expect(server.requests.every(({ method }) => method === 'GET')).toBe(true);
  });

  it('resumes the events where they broke off', async () => {
    const { server, cli } = await startWaiting();
    server.moveJob({ state: 'running', taskCounts: counts(1, 1) });
    await cli.says('1/3 done');
    server.breakWatchers();
    await cli.says('trying again');
    await cli.says('Connected again.');
    const connections = () => server.seen('GET', '/v1/events');
    await eventually('second connection', () => connections().length > 1);
    expect(connections()[1]?.headers['last-event-id']).toBe('1');
    server.moveJob({ state: 'succeeded', taskCounts: counts(3) });
    expect((await cli.result()).code).toBe(0);
  });

  it('goes on when the orchestrator restarts', async () => {
    const { server, cli } = await startWaiting();
    const shuttingDown = (_: unknown, response: Parameters<typeof sendProblem>[0]) =>
      sendProblem(response, 'shutting_down');
    server.answers.set('GET /v1/events', shuttingDown);
    server.breakWatchers();
    await eventually('tried', () => server.seen('GET', '/v1/events').length > 2);
    // It ended meanwhile, and no event will ever tell.
    server.job = someJob({ state: 'succeeded', taskCounts: counts(3) });
    server.answers.clear();
    const { code, stderr } = await cli.result();
    expect(stderr).toContain('Connected again.');
    expect(code).toBe(0);
  });

  it('exits with 1 for a job that is not there', async () => {
    const server = await FixtureServer.start();
    const missing = JOB_ID.replace('0123', 'ffff');
    const cli = startCli(['wait', missing], { cwd: await testDir(), env: server.env });
    const { code, stderr } = await cli.result();
    expect(stderr).toBe('karst: Not found\n');
    expect(code).toBe(1);
  });

  it('writes plain lines where there is no terminal', async () => {
    const { server, cli } = await startWaiting();
    server.moveJob({ state: 'succeeded', taskCounts: counts(3) });
    const { stderr } = await cli.result();
    for (const control of ['\r', '\u001b']) expect(stderr).not.toContain(control);
  });

  it('draws a bar with the current status on a terminal', async () => {
    const server = await FixtureServer.start();
    const pty = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))';
    const wide = ['sh', '-c', 'stty cols 120; exec "$@"', 'sh'];
    const under = ['python3', '-c', pty, ...wide];
    const cli = startCli(['wait', JOB_ID], { cwd: await testDir(), env: server.env, under });
    await cli.says('[........................] 0% 0/3 done');
    await eventually('caught up', () => server.seen('GET', `/v1/jobs/${JOB_ID}`).length > 1);
    server.moveJob({ state: 'running', taskCounts: counts(1, 1) });
    await cli.says('[########................] 33% 1/3 done, 1 running');
    const status = { step: 'Render', task: 1, percent: 45, status: 'Sample 3/16' };
    server.emit({ type: 'progress', jobId: JOB_ID, ...status });
    await cli.says('Render 1: 45% Sample 3/16');
    server.moveJob({ state: 'succeeded', taskCounts: counts(3) });
    expect((await cli.result()).code).toBe(0);
  });
});
