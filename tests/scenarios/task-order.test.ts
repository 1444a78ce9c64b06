import { mkdtemp, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { taskAt } from '@karst/orchestrator/domain/task-order.ts';
import { type JobId, jobIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Policy } from '@karst/shared/protocol/job.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { runCli, startCli } from '../cli/support/run-cli.ts';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts } from './support/job-state.ts';
import { Marks, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

const farm = farmForFile({ replicas: 2, livenessMs: 5000 });

const noted = (marks: Marks, tasks: number, script = '', writes = false) =>
  shellJob(marks, [
    {
      range: `0-${tasks - 1}`,
      script: `echo "$2" >> "$1/order"; ${script}${writes ? 'echo "$2" > "$3/$2.txt"' : ''}`,
      writes,
    },
  ]);

const withRender = (policy: Partial<Policy['steps'][string]>) => ({
  policy: { steps: { Render: policy } },
});

const orderOf = async (marks: Marks) => (await marks.lines('order')).map(Number);

const held = (jobId: JobId) =>
  eventually('the step waits for a person', async () => {
    const job = await farm().readJob(jobId);
    return job.heldSteps === undefined ? undefined : job;
  });

const release = (jobId: JobId) =>
  farm()
    .api(1)
    .call(routes.releaseStep, { params: { jobId, step: 'Render' } });

it('runs tasks in the order asked for', async () => {
  const [bisected, outer] = [await Marks.make(farm()), await Marks.make(farm())];
  await farm().startAgent();
  const first = await farm().submit(noted(bisected, 9), withRender({ order: 'bisect' }));
  const order = withRender({ order: 'first-middle-last' });
  const second = await farm().submit(noted(outer, 9), order);
  for (const { id } of [first, second]) await farm().jobIn(id, ['succeeded']);
  expect(await orderOf(bisected)).toEqual([0, 8, 4, 2, 6, 1, 5, 3, 7]);
  expect(await orderOf(outer)).toEqual([0, 4, 8, 1, 2, 3, 5, 6, 7]);
});

it('runs 2,000 tasks in descending order once each, in spans', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  await farm().startAgent({ slots: 2, replica: 1 });
  const job = await farm().submit(noted(marks, 2000), withRender({ order: 'descending' }));
  expect((await farm().jobIn(job.id, ['succeeded'])).taskCounts.succeeded).toBe(2000);
  const order = await orderOf(marks);
  // Four slots begin at once.
  expect(order[0]).toBeGreaterThan(1990);
  expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 2000 }, (_, i) => i));
});

it('runs its scouts, waits for a person, and goes on', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  const scouting = withRender({ order: 'bisect', scout: 3 });
  const job = await farm().submit(noted(marks, 12, waitFor('go')), scouting);
  await marks.written('order', 2);
  // As long as they run there is nothing to look at.
  expect(await farm().readJob(job.id)).not.toHaveProperty('heldSteps');
  await marks.open('go');
  expect(await held(job.id)).toMatchObject({
    state: 'running',
    message: 'Render is held for approval',
    heldSteps: ['Render'],
    taskCounts: counts({ succeeded: 3, waiting: 9 }),
  });
  const { items } = await farm()
    .api(1)
    .call(routes.listSteps, { params: { jobId: job.id } });
  expect(items).toMatchObject([{ state: 'running', held: true }]);

  // Neither another job's work, nor restarts, nor a new priority lets it go on.
  const other = await Marks.make(farm());
  for (const index of [0, 1]) {
    await farm().replicas[index]?.kill();
    await farm().startReplica(index);
  }
  const api = farm().api();
  await api.call(routes.setJob, { params: { jobId: job.id }, body: { priority: 90 } });
  await farm().jobIn((await farm().submit(noted(other, 2))).id, ['succeeded']);
  expect((await orderOf(marks)).sort((a, b) => a - b)).toEqual([0, 5, 11]);

  expect(await release(job.id)).not.toHaveProperty('held');
  const ended = await farm().jobIn(job.id, ['succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 12 }));
  expect(ended).not.toHaveProperty('heldSteps');
  const order = await orderOf(marks);
  expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i));
});

it('has scouts that fail run again by the rules, and waits when they have ended', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const script = 'if [ "$2" = 1 ] && ! [ -e "$1/mended" ]; then exit 3; fi; ';
  const submitted = noted(marks, 6, script);
  const policy = { maxRetriesPerTask: 0, steps: { Render: { scout: 2 } } };
  const job = await farm().submit(submitted, { policy });
  expect((await held(job.id)).taskCounts).toEqual(counts({ succeeded: 1, failed: 1, waiting: 4 }));
  await marks.open('mended');
  await farm()
    .api()
    .call(routes.retryJob, { params: { jobId: job.id }, body: {} });
  await eventually('the scout has run again', async () => {
    const { taskCounts } = await farm().readJob(job.id);
    return taskCounts.succeeded === 2;
  });
  expect((await held(job.id)).taskCounts).toEqual(counts({ succeeded: 2, waiting: 4 }));
  await release(job.id);
  await farm().jobIn(job.id, ['succeeded']);
});

it('takes a release of scouts in advance, and has none to wait for where all are scouts', async () => {
  const marks = await Marks.make(farm());
  const job = await farm().submit(noted(marks, 5), withRender({ scout: 2 }));
  await release(job.id);
  const few = await farm().submit(noted(marks, 2), withRender({ scout: 2 }));
  await farm().startAgent();
  for (const { id } of [job, few]) await farm().jobIn(id, ['succeeded']);
});

it('keeps order and scouts when Redis was emptied', async () => {
  const [marks, gone] = [await Marks.make(farm()), await Marks.make(farm())];
  const agent = await farm().startAgent();
  const scouting = withRender({ order: 'descending', scout: 2 });
  const waits = await farm().submit(noted(marks, 5, '', true), scouting);
  await held(waits.id);
  const gate = 'if [ "$2" -lt 2 ]; then until [ -e "$1/gate" ]; do sleep 0.05; done; fi; ';
  const goesOn = await farm().submit(noted(gone, 5, gate, true), scouting);
  await held(goesOn.id);
  await release(goesOn.id);
  await eventually('three are published', async () => {
    const { outputs } = await farm().readJob(goesOn.id);
    return outputs.published === 3 && (await farm().readJob(waits.id)).outputs.published === 2;
  });

  for (const replica of farm().replicas) await replica.kill();
  await agent.child.kill();
  const redis = new Redis(farm().redis.url);
  await redis.flushall();
  redis.disconnect();
  for (const index of [0, 1]) await farm().startReplica(index);

  await gone.open('gate');
  await farm().startAgent({ dir: agent.dir });
  await farm().jobIn(goesOn.id, ['succeeded']);
  expect((await held(waits.id)).taskCounts).toEqual(counts({ succeeded: 2, waiting: 3 }));
  expect(await orderOf(marks)).toEqual([4, 3]);
  await release(waits.id);
  await farm().jobIn(waits.id, ['succeeded']);
  expect(new Set(await orderOf(marks))).toEqual(new Set([4, 3, 2, 1, 0]));
});

it('refuses what can’t be, with its place', async () => {
  const marks = await Marks.make(farm());
  const job = JSON.parse(noted(marks, 5));
  job.extensions = ['TASK_CHUNKING'];
  const chunks = { defaultTaskCount: 2, targetRuntimeSeconds: 60, rangeConstraint: 'CONTIGUOUS' };
  Object.assign(job.steps[0].parameterSpace.taskParameterDefinitions[0], {
    type: 'CHUNK[INT]',
    chunks,
  });
  const policy = { steps: { Render: { order: 'bisect', scout: 2, hold: true } } };
  const answer = await farm().fetch('POST', '/v1/jobs', { template: job, policy });
  expect(await answer.json()).toMatchObject({
    code: 'invalid_request',
    errors: [
      {
        path: ['policy', 'steps', 'Render', 'order'],
        message:
          'the chunks of "Render" adapt to their run time: they can only be cut in ascending order (found bisect)',
      },
      { path: ['policy', 'steps', 'Render', 'scout'] },
    ],
  });
  const odd = { steps: { Render: { order: 'backwards', scout: 0 } } };
  const refused = await farm().fetch('POST', '/v1/jobs', { template: job, policy: odd });
  const text = await refused.text();
  expect(text).toContain('["body","policy","steps","Render","order"]');
  expect(text).toContain('["body","policy","steps","Render","scout"]');
});

it('is asked for on the command line', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const cwd = await mkdtemp(path.join(farm().dir, 'cli-'));
  await writeFile(path.join(cwd, 'job.json'), noted(marks, 7));
  const env = {
    KARST_URL: farm().urls[0] ?? '',
    KARST_API_KEY_FILE: path.join(farm().dir, 'admin.key'),
  };
  const run = (args: string[]) => runCli(['submit', 'job.json', ...args], { cwd, env });
  expect((await run(['--order', 'Rendr=bisect'])).stderr).toContain(
    '--order: the job has no step "Rendr"; did you mean "Render"?',
  );
  expect((await run(['--order', 'Render=up'])).stderr).toContain(
    'STEP=ORDER, with one of ascending, descending, first-middle-last, bisect',
  );
  expect((await run(['--scout', 'Render=0'])).stderr).toContain('a whole number from 1 to 1000');

  const flags = ['--order', 'Render=bisect', '--scout', 'Render=3', '--wait'];
  const waiter = startCli(['submit', 'job.json', ...flags], { cwd, env });
  await waiter.says('Render is held for approval: karst release job-');
  expect(waiter.stderr).toContain('To be held for approval: Render (after 3 tasks)');
  const jobId = jobIdSchema.parse(waiter.stdout.trim());
  const order = [0, 1, 2].map((position) => taskAt('bisect', 7, position));
  expect(await orderOf(marks)).toEqual(order);
  expect((await runCli(['release', jobId], { cwd, env })).code).toBe(0);
  expect((await waiter.result()).code).toBe(0);
});
