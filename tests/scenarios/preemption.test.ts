import type { PolicyInput } from '@karst/shared/protocol/job.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { nvidiaSmi, nvidiaUuids, pathWith } from '../agent/support/fake-tools.ts';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts, taskIn, taskOf, tasksOf } from './support/job-state.ts';
import { agentName, Marks, noteStart, waitFor } from './support/marks.ts';
import { type ShellStep, shellJob } from './support/shell-job.ts';

// Passes so slow that only a nudge explains what happens within seconds.
const farm = farmForFile({
  replicas: 2,
  livenessMs: 5000,
  env: { KARST_RECONCILE_MS: '30000', KARST_PREEMPT_AFTER_MS: '500' },
});

const submit = (marks: Marks, step: ShellStep, policy: PolicyInput = {}, name = 'job') =>
  farm().submit(shellJob(marks, [step], name), { policy: { maxRetriesPerTask: 0, ...policy } });

const background = { priorityClass: 'background' } as const;
const urgent = { priorityClass: 'urgent' } as const;

const preemptions = async (): Promise<number> => {
  const scrapes = await Promise.all(
    farm().urls.map(async (url) => (await fetch(`${url}/metrics`)).text()),
  );
  const lines = scrapes.join('\n').matchAll(/^karst_preemptions_total\{[^}]*\} (\d+)$/gm);
  return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
};

it('ends the younger of two background tasks for an urgent one, and runs it again at no cost', async () => {
  const before = await preemptions();
  const long = await Marks.make(farm());
  const [one] = [await farm().startAgent({ replica: 0 })];
  const old = await submit(long, { script: noteStart + waitFor('old') }, background, 'old');
  await long.started(0);
  const two = await farm().startAgent({ replica: 1 });
  const youngMarks = await Marks.make(farm());
  const young = await submit(
    youngMarks,
    { script: noteStart + waitFor('young') },
    background,
    'young',
  );
  expect((await youngMarks.started(0)).agent).toBe(agentName(two));

  const now = await Marks.make(farm());
  const hurry = await submit(now, { script: noteStart + waitFor('urgent') }, urgent, 'hurry');
  expect((await now.started(0)).agent).toBe(agentName(two));
  const waiting = await taskIn(farm(), young.id, 'waiting');
  expect(waiting).toMatchObject({
    failures: 0,
    attempt: { outcome: 'preempted', message: expect.stringContaining('class urgent') },
  });
  expect(await farm().readJob(old.id)).toMatchObject({ taskCounts: counts({ running: 1 }) });
  await now.open('urgent');
  await farm().jobIn(hurry.id, ['succeeded']);
  await youngMarks.started(0, 2);
  await youngMarks.open('young');
  await long.open('old');
  await farm().jobIn(young.id, ['succeeded']);
  await farm().jobIn(old.id, ['succeeded']);
  expect(await long.starts(0)).toHaveLength(1);
  expect((await long.starts(0))[0]?.agent).toBe(agentName(one ?? two));
  expect(await taskOf(farm(), young.id)).toMatchObject({ failures: 0 });
  expect((await preemptions()) - before).toBe(1);
  const nodes = await farm().api().call(routes.listNodes, {});
  expect(nodes.items.filter(({ preempting }) => preempting !== undefined)).toEqual([]);
});

it('lets a task that is given notice write its checkpoint within the grace, no longer', async () => {
  await farm().startAgent();
  const marks = await Marks.make(farm());
  const script =
    'trap \'echo "$(cat ../../cancel_info.json 2>/dev/null || find . .. -name cancel_info.json -exec cat {} +)" > "$1/notice"; sleep 0.3; echo saved > "$1/checkpoint"; exit 0\' TERM; ' +
    `echo on >> "$1/begun"; ${waitFor('go')}`;
  const cancelation = { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodInSeconds: 600 } as const;
  const trained = await submit(
    marks,
    { script, cancelation },
    { ...background, preemptGraceSeconds: 20 },
  );
  await marks.written('begun');
  const askedMs = Date.now();
  const now = await Marks.make(farm());
  const hurry = await submit(now, { script: noteStart }, urgent);
  await farm().jobIn(hurry.id, ['succeeded']);
  expect(await marks.lines('checkpoint')).toEqual(['saved']);
  // The notice says when it ends: the grace, not the longer period of the template.
  const [notice = ''] = await marks.lines('notice');
  const until = /"NotifyEnd":"([^"]+)"/.exec(notice)?.[1] ?? '';
  const graceMs = Date.parse(until) - askedMs;
  expect(graceMs).toBeGreaterThan(15_000);
  expect(graceMs).toBeLessThan(60_000);
  await marks.written('begun', 2);
  await marks.open('go');
  await farm().jobIn(trained.id, ['succeeded']);
});

it('kills a task that takes no notice when its grace is over', async () => {
  await farm().startAgent();
  const marks = await Marks.make(farm());
  const cancelation = { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodInSeconds: 600 } as const;
  const script = `trap '' TERM; ${noteStart}${waitFor('go')}`;
  const deaf = await submit(
    marks,
    { script, cancelation },
    { ...background, preemptGraceSeconds: 1 },
  );
  await marks.started(0);
  const now = await Marks.make(farm());
  const hurry = await submit(now, { script: noteStart }, urgent);
  await farm().jobIn(hurry.id, ['succeeded'], 15_000);
  await marks.started(0, 2);
  await marks.open('go');
  await farm().jobIn(deaf.id, ['succeeded']);
  expect((await taskOf(farm(), deaf.id)).failures).toBe(0);
});

it('leaves a task alone that is not preemptible, and one of the same class', async () => {
  const protectedMarks = await Marks.make(farm());
  const same = await Marks.make(farm());
  await farm().startAgent();
  const kept = await submit(
    protectedMarks,
    { script: noteStart + waitFor('go') },
    { ...background, preemptible: false },
  );
  await protectedMarks.started(0);
  await farm().startAgent();
  const peer = await submit(same, { script: noteStart + waitFor('go') }, urgent);
  await same.started(0);
  const now = await Marks.make(farm());
  const hurry = await submit(now, { script: noteStart }, urgent);
  // Then a third node takes it: by that time a decision has been made, and more than once.
  await eventually('decisions were made', async () => {
    const waitedMs = Date.now() - Date.parse(hurry.createdAt);
    return waitedMs > 3000;
  });
  await farm().startAgent();
  await farm().jobIn(hurry.id, ['succeeded']);
  for (const [marks, job] of [
    [protectedMarks, kept],
    [same, peer],
  ] as const) {
    await marks.open('go');
    await farm().jobIn(job.id, ['succeeded']);
    expect(await marks.starts(0)).toHaveLength(1);
  }
});

it('ends nothing while a node has room, and no more than the step can start', async () => {
  const marks = await Marks.make(farm());
  for (const replica of [0, 1, 0, 1]) await farm().startAgent({ replica });
  const fill = await submit(marks, { range: '0-2', script: noteStart + waitFor('go') }, background);
  for (const task of [0, 1, 2]) await marks.started(task);
  const now = await Marks.make(farm());
  const hurry = await submit(
    now,
    { range: '0-1', script: noteStart + waitFor('end') },
    { ...urgent, maxTasks: 2 },
  );
  await now.started(0);
  await now.started(1);
  expect((await farm().readJob(fill.id)).taskCounts).toEqual(counts({ running: 2, waiting: 1 }));
  await now.open('end');
  await farm().jobIn(hurry.id, ['succeeded']);
  await marks.open('go');
  await farm().jobIn(fill.id, ['succeeded']);
  const starts = await Promise.all([0, 1, 2].map((task) => marks.starts(task)));
  expect(starts.flat()).toHaveLength(4);
});

it('makes room of the shape that is asked for: two GPUs, and not what would be cheaper to end', async () => {
  const marks = await Marks.make(farm());
  const path = await pathWith({ 'nvidia-smi': nvidiaSmi });
  await farm().startAgent({ slots: 3, env: { PATH: path } });
  const withGpus = (count: number, range: string, script: string) => {
    const template = z
      .looseObject({ steps: z.array(z.looseObject({})) })
      .parse(JSON.parse(shellJob(marks, [{ range, script }])));
    const hostRequirements = { amounts: [{ name: 'amount.worker.gpu', min: count }] };
    const steps = template.steps.map((step) => ({ ...step, hostRequirements }));
    return JSON.stringify({ ...template, steps });
  };
  const script = noteStart + waitFor('go');
  const trained = await farm().submit(withGpus(1, '0-1', script), { policy: background });
  await marks.started(0);
  await marks.started(1);
  const other = await Marks.make(farm());
  const plain = await submit(other, { script: noteStart + waitFor('go') }, background);
  await other.started(0);
  const hurry = await farm().submit(withGpus(2, '0', 'echo "$CUDA_VISIBLE_DEVICES" > "$1/gpus"'), {
    policy: urgent,
  });
  await farm().jobIn(hurry.id, ['succeeded']);
  expect(await marks.lines('gpus')).toEqual([nvidiaUuids.join(',')]);
  await marks.open('go');
  await other.open('go');
  await farm().jobIn(trained.id, ['succeeded']);
  await farm().jobIn(plain.id, ['succeeded']);
  expect(await marks.starts(0)).toHaveLength(2);
  expect(await marks.starts(1)).toHaveLength(2);
  expect(await other.starts(0)).toHaveLength(1);
});

it('ends what a studio holds above its guarantee for one below its own, in the same class', async () => {
  const rich = await Marks.make(farm());
  const api = farm().api();
  const { key } = await api.call(routes.createKey, {
    body: { studio: 'small', role: 'submit' },
  });
  for (const replica of [0, 1]) await farm().startAgent({ replica });
  const script = noteStart + waitFor('go');
  const fill = await submit(rich, { range: '0-1', script });
  await rich.started(0);
  await rich.started(1);
  const params = { studio: 'small' };
  await api.call(routes.setStudioShare, { params, body: { guaranteedTasks: 1 } });
  const poor = await Marks.make(farm());
  const template = shellJob(poor, [{ range: '0-1', script }]);
  const owed = await farm().api(0, key).call(routes.submitJob, { body: { template } });
  await poor.started(0);
  expect((await farm().readJob(fill.id)).taskCounts).toEqual(counts({ running: 1, waiting: 1 }));
  const ended = (await tasksOf(farm(), fill.id)).find(({ state }) => state === 'waiting');
  expect(ended?.attempt).toMatchObject({
    outcome: 'preempted',
    message: expect.stringContaining('below its guaranteed tasks'),
  });
  await poor.open('go');
  await rich.open('go');
  await farm().jobIn(fill.id, ['succeeded']);
  const { taskCounts } = await farm()
    .api(0, key)
    .call(routes.getJob, { params: { jobId: owed.id } });
  expect(taskCounts.failed).toBe(0);
  await api.call(routes.deleteStudioShare, { params });
});
