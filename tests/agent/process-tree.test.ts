import { describe, expect, it } from 'vitest';
import { startAgent, startOrchestrator } from './support/farm.ts';
import { eventually, processesWith } from './support/processes.ts';
import { shell } from './support/steps.ts';
import type { TestLease } from './support/test-lease.ts';

const alive = (lease: TestLease) => processesWith('KARST_LEASE_ID', lease.grant.leaseId);

describe('the process tree of a task', () => {
  it('is killed whole when the lease is lost, though it ignores SIGTERM and keeps forking', async () => {
    const orchestrator = await startOrchestrator((one) => {
      one.nextSyncMs = 200;
    });
    await startAgent(orchestrator.url);
    const lease = orchestrator.lease({
      step: shell(
        'trap "" TERM; (while :; do (sleep 300 &) ; sleep 0.05; done) & sh -c "sleep 300 & sleep 300" & echo up; wait',
      ),
    });
    await orchestrator.changes.until(() => lease.log.get(0)?.includes('up'));
    await eventually(() => alive(lease).length > 3);
    orchestrator.lose(lease);
    await eventually(() => alive(lease).length === 0);
    expect(lease.results).toEqual([]);
  });

  it('is killed when the task ends, those in a session of their own too', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const quick = orchestrator.lease({
      step: shell('setsid sleep 300 > /dev/null 2>&1 & sleep 300 & exit 0'),
    });
    expect(await orchestrator.finished(quick)).toMatchObject([{ outcome: 'succeeded' }]);
    await eventually(() => alive(quick).length === 0);
    const slow = orchestrator.lease({
      step: shell('(setsid sh -c "sleep 300; true" > /dev/null 2>&1 &); sleep 1.2'),
    });
    expect(await orchestrator.finished(slow)).toMatchObject([{ outcome: 'succeeded' }]);
    expect(alive(slow)).toEqual([]);
  });

  it('dies with an agent that is killed', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    const lease = orchestrator.lease({
      step: shell('setsid sleep 300 & sleep 300 & echo up; sleep 300'),
    });
    await orchestrator.changes.until(() => lease.log.get(0)?.includes('up'));
    agent.kill('SIGKILL');
    await agent.ended();
    await eventually(() => alive(lease).length === 0);
  });

  it('is ended by the next agent when agent and helper are both killed', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    const lease = orchestrator.lease({ step: shell('echo up; setsid sleep 300') });
    await orchestrator.changes.until(() => lease.log.get(0)?.includes('up'));
    agent.killWithHelper();
    await agent.ended();
    expect(alive(lease).length).toBeGreaterThan(0);
    await startAgent(orchestrator.url, {}, { dir: agent.dir });
    expect(alive(lease)).toEqual([]);
  });

  it('is the fault of the node when the helper that starts tasks dies, and the next task runs', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    const lease = orchestrator.lease({ step: shell('echo up; sleep 300') });
    await orchestrator.changes.until(() => lease.log.get(0)?.includes('up'));
    agent.killHelper();
    expect(await orchestrator.finished(lease)).toMatchObject([{ outcome: 'failed', kind: 'node' }]);
    await eventually(() => alive(lease).length === 0);
    const next = orchestrator.lease({ step: shell('exit 0') });
    expect(await orchestrator.finished(next)).toMatchObject([{ outcome: 'succeeded' }]);
  });
});
