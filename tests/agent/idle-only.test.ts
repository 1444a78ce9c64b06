import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readWho } from '../../worker-agent/hardware/idle-guard.ts';
import { startAgent, startOrchestrator } from './support/farm.ts';
import { command, shell } from './support/steps.ts';

let dir: string;
const idleFile = () => join(dir, 'idle');
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'karst-idle-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const idleFor = (seconds: number) => writeFile(idleFile(), `${seconds}\n`);
const settings = (stop: 'soft' | 'hard') => ({
  KARST_IDLE_ONLY: '1',
  KARST_IDLE_MINUTES: '10',
  KARST_IDLE_STOP: stop,
  KARST_IDLE_COMMAND: `cat ${idleFile()}`,
});
/** Says that it is up, and waits for a file beside the agent's sessions. */
const untilGo = shell('echo up; while [ ! -e ../../go ]; do sleep 0.02; done');

describe('an agent for idle hours only', () => {
  it('wants nothing while somebody uses the machine, says so, and works once nobody does', async () => {
    await idleFor(599);
    const orchestrator = await startOrchestrator((one) => {
      one.nextSyncMs = 200;
    });
    await startAgent(orchestrator.url, settings('soft'));
    const lease = orchestrator.lease({ step: command('true') });
    expect(orchestrator.syncs[0]).toMatchObject({
      wanted: 0,
      message: expect.stringContaining('somebody uses this machine'),
    });
    expect(lease.state).toBe('waiting');
    await idleFor(600);
    expect(await orchestrator.finished(lease)).toMatchObject([{ outcome: 'succeeded' }]);
    expect(orchestrator.syncs.at(-1)?.message).toBeUndefined();
  });

  it('gives running leases back at once when a person returns, if told to stop hard', async () => {
    await idleFor(9999);
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url, settings('hard'));
    const lease = orchestrator.lease({ step: untilGo, last: 3 });
    await orchestrator.changes.until(() => lease.log.get(0)?.includes('up'));
    await idleFor(0);
    expect(await orchestrator.finished(lease)).toMatchObject([
      {
        outcome: 'returned',
        first: 0,
        last: 3,
        message: expect.stringContaining('somebody uses this machine'),
      },
    ]);
  });

  it('lets the running task finish when a person returns, if told to stop softly', async () => {
    await idleFor(9999);
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url, settings('soft'));
    const lease = orchestrator.lease({ step: untilGo, last: 3 });
    await orchestrator.changes.until(() => lease.log.get(0)?.includes('up'));
    await idleFor(0);
    await orchestrator.changes.until(() => orchestrator.syncs.at(-1)?.message);
    expect(lease.results).toEqual([]);
    await writeFile(join(agent.dir, 'go'), '');
    expect(await orchestrator.finished(lease)).toMatchObject([
      { outcome: 'succeeded', first: 0, last: 0 },
      { outcome: 'returned', first: 1, last: 3 },
    ]);
  });

  it('counts as used when nobody can tell, and says why', async () => {
    await writeFile(idleFile(), 'soon\n');
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url, settings('soft'));
    expect(orchestrator.syncs[0]).toMatchObject({
      wanted: 0,
      message: 'KARST_IDLE_COMMAND printed "soon\\n", expected seconds',
    });
  });
});

describe('a stop by the orchestrator', () => {
  it('gives running leases back at once when it is a hard one', async () => {
    const orchestrator = await startOrchestrator((one) => {
      one.nextSyncMs = 200;
    });
    await startAgent(orchestrator.url, {});
    const lease = orchestrator.lease({ step: untilGo, last: 3 });
    await orchestrator.changes.until(() => lease.log.get(0)?.includes('up'));
    orchestrator.draining = true;
    orchestrator.hardStop = true;
    orchestrator.wake();
    expect(await orchestrator.finished(lease)).toMatchObject([
      { outcome: 'returned', first: 0, last: 3 },
    ]);
    orchestrator.draining = false;
    orchestrator.hardStop = false;
    const next = orchestrator.lease({ step: command('true') });
    expect(await orchestrator.finished(next)).toMatchObject([{ outcome: 'succeeded' }]);
  });
});

describe('who', () => {
  it('tells terminals from graphical sessions', () => {
    const terminals =
      'ana      pts/3        2026-01-05 10:12 (10.0.0.7)\nben tty2 2026-01-05 09:00\n';
    expect(readWho(terminals)).toEqual({ terminals: ['pts/3', 'tty2'], graphical: false });
    expect(readWho('ana :0 2026-01-05 10:12 (:0)\n')).toEqual({ terminals: [], graphical: true });
    expect(readWho('ana seat0 2026-01-05 10:12 (login screen)\n').graphical).toBe(true);
    expect(readWho('ana tty2 2026-01-05 10:12 (:1)\n').graphical).toBe(true);
    expect(readWho('')).toEqual({ terminals: [], graphical: false });
  });
});
