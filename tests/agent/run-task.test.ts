import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { startAgent, startOrchestrator } from './support/farm.ts';
import { command, shell } from './support/steps.ts';
import type { LeaseOptions } from './support/test-lease.ts';
import type { TestOrchestrator } from './support/test-orchestrator.ts';

async function run(orchestrator: TestOrchestrator, options: LeaseOptions) {
  const lease = orchestrator.lease(options);
  const results = await orchestrator.finished(lease);
  const log = orchestrator.object(lease, 0, 'log', 'task.log')?.toString();
  return { lease, results, result: results[0], log };
}

const range = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

describe('an agent running tasks', () => {
  it('reports each task of a span of silent successes once, in order and without uploads', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const { results } = await run(orchestrator, { step: command('true'), last: 49 });
    expect(results.every(({ outcome }) => outcome === 'succeeded')).toBe(true);
    expect(results.flatMap(({ first, last }) => range(first, last))).toEqual(range(0, 49));
    expect(orchestrator.requests.filter((one) => one.includes('/uploads'))).toEqual([]);
  });

  it('tells exits, signals, reported failures and commands that can not be started apart', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const exited = await run(orchestrator, { step: shell('exit 7') });
    expect(exited.result).toMatchObject({ outcome: 'failed', kind: 'exit', exitCode: 7 });
    const signaled = await run(orchestrator, { step: shell('kill -SEGV $$') });
    expect(signaled.result).toMatchObject({ kind: 'signal', signal: 'SIGSEGV' });
    const reported = await run(orchestrator, {
      step: shell('echo openjd_fail: no licence; exit 3'),
    });
    expect(reported.result).toMatchObject({
      kind: 'reported',
      exitCode: 3,
      message: 'no licence',
    });
    const missing = await run(orchestrator, { step: command('no-such-renderer') });
    expect(missing.result).toMatchObject({ kind: 'command' });
    expect(missing.result).toHaveProperty('message', expect.stringContaining('no such program'));
  });

  it('ends a task that exceeds its timeout', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const { result } = await run(orchestrator, {
      step: shell('echo before; sleep 1000', { timeoutSeconds: 1 }),
    });
    expect(result).toMatchObject({ outcome: 'failed', kind: 'timeout', log: { sizeBytes: 7 } });
  });

  it('notifies before it terminates, where the template asks for it', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const { result, log } = await run(orchestrator, {
      step: shell('trap "cat cancel_info.json; exit 0" TERM; sleep 1000 & wait', {
        timeoutSeconds: 1,
        cancelation: { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodSeconds: 60 },
      }),
    });
    expect(result).toMatchObject({ kind: 'timeout' });
    expect(log).toMatch(/^\{"NotifyEnd":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"\}$/);
  });

  it('stores both output streams in the order they were written, cut or binary lines included', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const { result, log } = await run(orchestrator, {
      step: shell(
        'i=0; while [ $i -lt 50 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done; printf end',
      ),
    });
    const wanted = Array.from({ length: 50 }, (_, i) => `out ${i}\nerr ${i}\n`).join('');
    expect(log).toBe(`${wanted}end`);
    expect(result).toMatchObject({ outcome: 'succeeded', log: { sizeBytes: log?.length } });
  });

  it('gives tasks a scrubbed environment and an own directory that is gone afterwards', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url, {
      CUDA_VISIBLE_DEVICES: '3',
      PYTHONPATH: '/somewhere',
      KARST_TASK_PATH: '/usr/bin:/bin',
      KARST_SESSION_IDLE_S: '0',
    });
    const { log, lease } = await run(orchestrator, { step: command('env') });
    const names = log?.split('\n').flatMap((line) => line.split('=')[0] || []);
    expect(names?.sort()).toEqual(
      [
        'CUDA_VISIBLE_DEVICES',
        'HOME',
        'KARST_JOB_ID',
        'KARST_LEASE_ID',
        'KARST_NODE_DIR',
        'KARST_STEP',
        'KARST_TASK',
        'LANG',
        'PATH',
        'TMPDIR',
        'USER',
      ].sort(),
    );
    expect(log).not.toContain('good-token');
    const where = await run(orchestrator, { step: shell('pwd; echo $TMPDIR; ls -d "$TMPDIR"') });
    expect(where.log).toContain(`${agent.dir}/sessions/${where.lease.grant.leaseId}\n`);
    expect(lease.grant.leaseId).not.toBe(where.lease.grant.leaseId);
  });

  it('writes embedded files anew before each task, for the owner only, with the parameters of the task', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const step = {
      script: {
        onRun: {
          command: '{{Task.File.Run}}',
          args: ['{{Param.Word}}'],
          cancelation: { mode: 'TERMINATE' as const },
        },
        embeddedFiles: [
          {
            name: 'Run',
            filename: 'run.sh',
            runnable: true,
            data: '#!/bin/sh\necho "$1 {{Task.Param.Index}}"; stat -c %a "$0" "$(dirname "$0")/data.txt"; echo broken > "$0"\n',
          },
          { name: 'Data', filename: 'data.txt', runnable: false, data: 'data' },
        ],
      },
    };
    const lease = orchestrator.lease({
      step,
      last: 1,
      parameters: { Word: { type: 'STRING', value: 'frame $(id)' } },
    });
    await orchestrator.finished(lease);
    for (const task of [0, 1]) {
      expect(orchestrator.object(lease, task, 'log', 'task.log')?.toString()).toBe(
        `frame $(id) ${task}\n700\n600\n`,
      );
    }
  });

  it('tells progress and sends the log while a task runs', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    const lease = orchestrator.lease({
      step: shell(
        'echo openjd_progress: 25; echo openjd_status: warming up; while [ ! -e go ]; do sleep 0.05; done; echo done',
      ),
    });
    await orchestrator.changes.until(() => lease.log.get(0)?.includes('warming up'));
    const progress = await orchestrator.changes.until(() =>
      orchestrator.syncs.flatMap((sync) => sync.progress).find(({ task }) => task === 0),
    );
    expect(progress).toMatchObject({ percent: 25, status: 'warming up' });
    await writeFile(`${agent.dir}/sessions/${lease.grant.leaseId}/go`, '');
    expect(await orchestrator.finished(lease)).toMatchObject([{ outcome: 'succeeded' }]);
  });

  it('runs several leases at once, one in each slot', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url, { KARST_SLOTS: '3' });
    // Each task waits for the other two.
    const step = shell(
      `touch ../../meet-$KARST_LEASE_ID; while [ $(ls ../../ | grep -c meet-) -lt 3 ]; do sleep 0.02; done`,
    );
    const leases = [step, step, step].map((one) => orchestrator.lease({ step: one }));
    for (const lease of leases) {
      expect(await orchestrator.finished(lease)).toMatchObject([{ outcome: 'succeeded' }]);
    }
    expect(agent.exit).toBeUndefined();
  });

  it('wants no work and says why when its disk is full', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url, { KARST_DISK_MIN_MIB: '2000000000' });
    const [first] = orchestrator.syncs;
    expect(first).toMatchObject({ wanted: 0, slots: 1 });
    expect(first?.message).toMatch(/^disk full: \d+ MiB free/);
  });
});
