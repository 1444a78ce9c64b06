import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AgentProcess } from './support/agent-process.ts';
import { startAgent, startOrchestrator } from './support/farm.ts';
import { eventually, processesWith } from './support/processes.ts';
import { command, shell } from './support/steps.ts';
import type { TestLease } from './support/test-lease.ts';
import type { TestOrchestrator } from './support/test-orchestrator.ts';

const alive = (lease: TestLease) => processesWith('KARST_LEASE_ID', lease.grant.leaseId);

/** Runs until the file `go` appears beside its agent's sessions. */
const untilGo = shell('echo up; while [ ! -e ../../go ]; do sleep 0.02; done');

const busy = (orchestrator: TestOrchestrator, lease: TestLease) =>
  orchestrator.changes.until(() => lease.log.get(0)?.includes('up'));

describe('leases', () => {
  it('end with their tasks killed when the deadline passes and nobody can be reached', async () => {
    const orchestrator = await startOrchestrator((one) => {
      one.livenessMs = 2000;
      one.nextSyncMs = 300;
    });
    await startAgent(orchestrator.url);
    const lease = orchestrator.lease({ step: untilGo, last: 3 });
    await busy(orchestrator, lease);
    const port = await orchestrator.stop();
    const cutMs = performance.now();
    await eventually(() => alive(lease).length === 0);
    // At most liveness after the last answered call was sent, and not much sooner.
    expect(performance.now() - cutMs).toBeLessThan(2300);
    expect(performance.now() - orchestrator.answeredCallMs).toBeGreaterThan(1300);
    await orchestrator.start(port);
    expect(await orchestrator.finished(lease)).toMatchObject([
      { outcome: 'returned', first: 0, last: 3, message: expect.stringContaining('lost contact') },
    ]);
  });

  it('end with their tasks killed in time though the agent itself is frozen', async () => {
    const orchestrator = await startOrchestrator((one) => {
      one.livenessMs = 2000;
      one.nextSyncMs = 300;
    });
    const agent = await startAgent(orchestrator.url);
    const lease = orchestrator.lease({ step: untilGo });
    await busy(orchestrator, lease);
    agent.kill('SIGSTOP');
    await eventually(() => alive(lease).length === 0);
    lease.state = 'lost';
    agent.kill('SIGCONT');
    const next = orchestrator.lease({ step: command('true') });
    expect(await orchestrator.finished(next)).toMatchObject([{ outcome: 'succeeded' }]);
    const said = orchestrator.syncs
      .flatMap((sync) => sync.reports)
      .filter(({ leaseId }) => leaseId === lease.grant.leaseId);
    const outcomes = said.flatMap(({ results }) => results.map(({ outcome }) => outcome));
    expect(outcomes.filter((outcome) => outcome !== 'returned')).toEqual([]);
    expect(lease.results).toEqual([]);
  });

  it('keep their results through an outage shorter than liveness', async () => {
    const orchestrator = await startOrchestrator((one) => {
      one.nextSyncMs = 300;
    });
    const agent = await startAgent(orchestrator.url);
    const lease = orchestrator.lease({
      step: shell('[ "$KARST_TASK" = 0 ] && exec touch ../../ran; exit 0'),
      last: 2,
    });
    // The grant's answer arrives; the results find nobody.
    await orchestrator.changes.until(() =>
      orchestrator.requests.some((one) => one.endsWith('/definition')),
    );
    const port = await orchestrator.stop();
    await eventually(() => agent.stderr.includes('sync failed'));
    await orchestrator.start(port);
    const results = await orchestrator.finished(lease);
    expect(results.every(({ outcome }) => outcome === 'succeeded')).toBe(true);
  });

  it('survive answers that are lost: the call is repeated and nothing is told twice', async () => {
    const orchestrator = await startOrchestrator((one) => {
      one.nextSyncMs = 300;
    });
    await startAgent(orchestrator.url);
    orchestrator.dropAnswersToReports = 2;
    orchestrator.lease({ step: command('true'), last: 1 });
    await eventually(() => orchestrator.dropAnswersToReports === 0);
    const told = await orchestrator.changes.until(() => {
      const all = orchestrator.syncs.flatMap(({ reports }) => reports.map((one) => one.results));
      return all.length > 2 && all;
    });
    // Each repetition starts with what the first call said.
    expect(told[1]?.slice(0, told[0]?.length)).toEqual(told[0]);
  });

  it('are not run again when their grant is delivered again', async () => {
    const orchestrator = await startOrchestrator((one) => {
      one.redelivers = true;
      one.nextSyncMs = 100;
    });
    const agent = await startAgent(orchestrator.url, { KARST_SLOTS: '2' });
    const lease = orchestrator.lease({ step: shell('echo ran >> ../../runs; sleep 0.5') });
    await orchestrator.finished(lease);
    const syncs = orchestrator.syncs.length;
    await orchestrator.changes.until(() => orchestrator.syncs.length > syncs + 3);
    expect(await readFile(join(agent.dir, 'runs'), 'utf8')).toBe('ran\n');
    expect(lease.results).toHaveLength(1);
  });

  it('are reported at once while a long poll waits for more work', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url, { KARST_SLOTS: '2' });
    const lease = orchestrator.lease({ step: untilGo });
    await busy(orchestrator, lease);
    // The poll for the second slot is out.
    await orchestrator.changes.until(() =>
      orchestrator.syncs.some(
        ({ wanted, waitMs, held }) => wanted === 1 && waitMs > 0 && held.length === 1,
      ),
    );
    const startMs = performance.now();
    await writeFile(join(agent.dir, 'go'), '');
    await orchestrator.finished(lease);
    expect(performance.now() - startMs).toBeLessThan(3000);
    const seqs = orchestrator.syncs.map(({ seq }) => seq);
    expect(seqs).toEqual([...seqs].sort((one, other) => one - other));
  });

  it('drain on SIGTERM: the running task finishes, the rest goes back, the agent exits with 0', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    const lease = orchestrator.lease({ step: untilGo, last: 9 });
    await busy(orchestrator, lease);
    agent.kill('SIGTERM');
    await orchestrator.changes.until(() => orchestrator.syncs.at(-1)?.draining);
    await writeFile(join(agent.dir, 'go'), '');
    expect(await agent.ended()).toEqual({ code: 0, signal: null });
    expect(lease.results).toMatchObject([
      { outcome: 'succeeded', first: 0, last: 0 },
      { outcome: 'returned', first: 1, last: 9 },
    ]);
  });

  it('are given back at once on a second SIGTERM', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    const lease = orchestrator.lease({ step: untilGo, last: 9 });
    await busy(orchestrator, lease);
    agent.kill('SIGTERM');
    await orchestrator.changes.until(() => orchestrator.syncs.at(-1)?.draining);
    agent.kill('SIGTERM');
    expect(await agent.ended()).toEqual({ code: 0, signal: null });
    expect(lease.results).toMatchObject([{ outcome: 'returned', first: 0, last: 9 }]);
    expect(alive(lease)).toEqual([]);
  });

  it('are given back when the parent of an agent that ends with it is gone', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url, { KARST_EXIT_WITH_PARENT: '1' });
    const lease = orchestrator.lease({ step: untilGo, last: 9 });
    await busy(orchestrator, lease);
    agent.closeStdin();
    expect(await agent.ended()).toEqual({ code: 0, signal: null });
    expect(lease.results).toMatchObject([{ outcome: 'returned', first: 0, last: 9 }]);
  });

  it('stop coming while an operator drains the node, and come again afterwards', async () => {
    const orchestrator = await startOrchestrator((one) => {
      one.nextSyncMs = 100;
    });
    const agent = await startAgent(orchestrator.url);
    const lease = orchestrator.lease({ step: untilGo, last: 9 });
    await busy(orchestrator, lease);
    const before = orchestrator.syncs.length;
    orchestrator.draining = true;
    orchestrator.wake();
    await orchestrator.changes.until(() => orchestrator.syncs.length > before + 1);
    await writeFile(join(agent.dir, 'go'), '');
    expect(await orchestrator.finished(lease)).toMatchObject([
      { outcome: 'succeeded', first: 0, last: 0 },
      { outcome: 'returned', first: 1, last: 9 },
    ]);
    await orchestrator.changes.until(() => orchestrator.syncs.at(-1)?.wanted === 0);
    orchestrator.draining = false;
    orchestrator.wake();
    const next = orchestrator.lease({ step: command('true') });
    expect(await orchestrator.finished(next)).toMatchObject([{ outcome: 'succeeded' }]);
  });

  it('end, with the agent, when a newer process speaks for the node', async () => {
    const orchestrator = await startOrchestrator((one) => {
      one.nextSyncMs = 100;
    });
    const agent = await startAgent(orchestrator.url);
    const lease = orchestrator.lease({ step: untilGo });
    await busy(orchestrator, lease);
    orchestrator.superseded = true;
    orchestrator.wake();
    expect(await agent.ended()).toEqual({ code: 1, signal: null });
    expect(agent.stderr).toContain('A newer agent process speaks for this node');
    expect(alive(lease)).toEqual([]);
  });

  it('whose results are not understood are given back, and the others are told', async () => {
    const orchestrator = await startOrchestrator((one) => {
      one.nextSyncMs = 100;
      one.confusedBy = ({ reports }) =>
        reports.some(({ results }) =>
          results.some((result) => result.outcome === 'failed' && result.exitCode === 99),
        );
    });
    await startAgent(orchestrator.url, { KARST_SLOTS: '2' });
    const odd = orchestrator.lease({ step: shell('exit 99') });
    const even = orchestrator.lease({ step: shell('exit 2') });
    expect(await orchestrator.finished(odd)).toMatchObject([
      { outcome: 'returned', message: expect.stringContaining('The request is not valid') },
    ]);
    expect(await orchestrator.finished(even)).toMatchObject([{ outcome: 'failed', exitCode: 2 }]);
  });

  it('of two agents in one directory only the first one gets', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    const second = await AgentProcess.start(orchestrator.url, {}, { dir: agent.dir, ready: false });
    expect(await second.ended()).toEqual({ code: 1, signal: null });
    expect(second.stderr).toContain(`another agent (process ${agent.pid}) uses`);
  });
});
