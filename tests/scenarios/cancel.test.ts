import { problemSchema } from '@karst/shared/protocol/problem.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { acceptedOutputs, countedTasks, counts, taskOf } from './support/job-state.ts';
import { Marks, noteStart, waitFor } from './support/marks.ts';
import { freeze, isAlive } from './support/processes.ts';
import { shellJob } from './support/shell-job.ts';
import { StudioView } from './support/studio-view.ts';

// So long that a node hears of the cancel in time only if it is told at once.
const farm = farmForFile({ livenessMs: 60_000 });

const forever = 'while :; do sleep 0.1; done';
/** A task with a child and a process that left its group; none of them heeds SIGTERM. */
const stubbornTree = [
  "trap '' TERM",
  'echo $$ >> "$1/pids"',
  `{ (${forever}) & echo $! >> "$1/pids"; }`,
  `{ setsid /bin/sh -c 'echo $$ >> "$0/pids"; ${forever}' "$1" & }`,
  forever,
].join('; ');

it('kills the whole process tree of a canceled job', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const job = await farm().submit(
    shellJob(marks, [
      { script: stubbornTree, range: '0-4' },
      { name: 'After', dependsOn: ['Render'], script: 'true', range: '0-2' },
    ]),
  );
  const pids = (await marks.written('pids', 3)).map(Number);
  expect(pids.every(isAlive)).toBe(true);

  const canceledAtMs = performance.now();
  const canceled = await farm()
    .api()
    .call(routes.cancelJob, { params: { jobId: job.id } });
  expect(canceled).toMatchObject({ state: 'canceled', taskCounts: counts({ canceled: 8 }) });
  await eventually('all processes gone', () => !pids.some(isAlive), 5000);
  process.stdout.write(
    `tree killed ${Math.round(performance.now() - canceledAtMs)} ms after the cancel\n`,
  );

  const steps = await farm()
    .api()
    .call(routes.listSteps, { params: { jobId: job.id } });
  expect(steps.items.map(({ state }) => state)).toEqual(['canceled', 'canceled']);
  expect(await countedTasks(farm(), job.id, ['Render', 'After'])).toEqual(canceled.taskCounts);
  const again = await farm()
    .api()
    .call(routes.cancelJob, { params: { jobId: job.id } });
  expect(again.state).toBe('canceled');
  for (const verb of ['retry', 'pause', 'resume']) {
    const body = verb === 'retry' ? {} : undefined;
    const answer = await farm().fetch('POST', `/v1/jobs/${job.id}/${verb}`, body);
    expect(problemSchema.parse(await answer.json())).toMatchObject({ status: 409 });
  }
});

it('refuses the result of a task that ended before its agent heard of the cancel', async () => {
  const marks = await Marks.make(farm());
  const agent = await farm().startAgent();
  const script = `${noteStart + waitFor('go')}echo late > "$3/late.txt"; echo done >> "$1/done"`;
  const job = await farm().submit(shellJob(marks, [{ script, writes: true }]));
  const { pid } = await marks.started(0);
  const ice = freeze(agent.child.pid, [pid]);
  await marks.open('go');
  await marks.written('done');
  await farm()
    .api()
    .call(routes.cancelJob, { params: { jobId: job.id } });
  ice.thaw();

  const next = await farm().submit(shellJob(marks, [{ script: 'true' }]));
  await farm().jobIn(next.id, ['succeeded']);
  expect(await farm().readJob(job.id)).toMatchObject({
    state: 'canceled',
    taskCounts: counts({ canceled: 1 }),
    outputs: { accepted: 0, published: 0 },
  });
  expect(await taskOf(farm(), job.id)).toMatchObject({ state: 'canceled', outputs: [] });
  expect(await acceptedOutputs(farm(), job.id)).toEqual([]);
  expect(await new StudioView(farm().storage).outputs(job.id)).toEqual({});
});

it('cancels a job that nobody has started, and one that is paused', async () => {
  const marks = await Marks.make(farm());
  const idle = await farm().submit(shellJob(marks, [{ script: 'true', range: '0-99999' }]));
  const held = await farm().submit(shellJob(marks, [{ script: 'true', range: '0-1' }]));
  await farm()
    .api()
    .call(routes.pauseJob, { params: { jobId: held.id } });
  for (const [job, total] of [
    [idle, 100_000],
    [held, 2],
  ] as const) {
    const ended = await farm()
      .api()
      .call(routes.cancelJob, { params: { jobId: job.id } });
    expect(ended).toMatchObject({ state: 'canceled', taskCounts: counts({ canceled: total }) });
  }
});
