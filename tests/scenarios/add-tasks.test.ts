import { bodyHash } from '@karst/orchestrator/http/idempotency.ts';
import { putJobFile } from '@karst/orchestrator/jobs/job-file.ts';
import { createObjectStore } from '@karst/orchestrator/objects/store.ts';
import { ExtensionStore } from '@karst/orchestrator/store/extension-store.ts';
import { JobStore } from '@karst/orchestrator/store/job-store.ts';
import { extendStep } from '@karst/shared/openjd/extend-step.ts';
import type { AddTasks } from '@karst/shared/protocol/added-tasks.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { Problem } from '@karst/shared/protocol/problem.ts';
import { problemSchema } from '@karst/shared/protocol/problem.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { acceptedOutputs, counts, published, taskIn, tasksOf } from './support/job-state.ts';
import { Marks, noteStart, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

// Passes so rare that only wake-ups explain that added tasks start soon.
const farm = farmForFile({
  replicas: 2,
  livenessMs: 5000,
  env: { KARST_RECONCILE_MS: '60000' },
});

const addTasks = (jobId: JobId, body: AddTasks, replica = 1, key?: string) =>
  farm()
    .api(replica)
    .call(
      routes.addTasks,
      { params: { jobId }, body },
      key === undefined ? {} : { headers: { 'idempotency-key': key } },
    );

const stepOf = async (jobId: JobId, name: string) => {
  const { items } = await farm().api().call(routes.listSteps, { params: { jobId } });
  return items.find((step) => step.name === name);
};

const startsOf = (marks: Marks, values: readonly number[]) =>
  Promise.all(values.map(async (value) => (await marks.starts(value)).length));

it('a running step gets tasks through the other replica; each runs once, with its own values', async () => {
  const marks = await Marks.make(farm());
  for (const replica of [0, 1]) await farm().startAgent({ replica, slots: 2 });
  const script = `${noteStart}if [ "$2" = 0 ]; then ${waitFor('gate')}fi`;
  const { id } = await farm().submit(shellJob(marks, [{ script, range: '0-9' }]));
  // Both agents know the step as it was, and all that it began with has been given out.
  await eventually('nine done', async () => (await farm().readJob(id)).taskCounts.succeeded === 9);
  const added = await addTasks(id, { step: 'Render', ranges: { N: '100-119' } });
  expect(added).toMatchObject({ first: 10, last: 29, step: { name: 'Render', state: 'running' } });
  await eventually('the added ones', async () => {
    return (await farm().readJob(id)).taskCounts.succeeded === 29;
  });
  await addTasks(id, { step: 'Render', ranges: { N: [31, 21] } }, 0);
  await marks.started(21);
  await marks.open('gate');
  expect((await farm().jobIn(id, ['succeeded', 'failed'])).taskCounts).toEqual(
    counts({ succeeded: 32 }),
  );
  const values = [...Array(10).keys(), ...Array.from({ length: 20 }, (_, i) => 100 + i), 31, 21];
  expect(await startsOf(marks, values)).toEqual(values.map(() => 1));
  const tasks = await tasksOf(farm(), id);
  expect(tasks.map(({ parameters }) => Number(parameters.N))).toEqual(values);
  expect(tasks.every(({ state }) => state === 'succeeded')).toBe(true);
});

it('a step that has succeeded reopens: what depends on it waits again, or has begun and goes on', async () => {
  const marks = await Marks.make(farm());
  for (const replica of [0, 1]) await farm().startAgent({ replica });
  const steps = [
    { name: 'Render', script: 'echo "$2" > "$3/$2.txt"', range: '0-2', writes: true },
    {
      name: 'Encode',
      dependsOn: ['Render'],
      script: 'echo $(ls "$3") >> "$1/encoded"; echo done > "$3/movie.txt"',
      writes: true,
    },
  ];
  const policy = { steps: { Encode: { hold: true } } };
  const { id } = await farm().submit(shellJob(marks, steps), { policy });
  await eventually('Encode waits', async () => (await farm().readJob(id)).heldSteps !== undefined);
  const before = await addTasks(id, { step: 'Render', ranges: { N: '7-8' } });
  expect(before.startedDependents).toBeUndefined();
  await farm()
    .api()
    .call(routes.releaseStep, { params: { jobId: id, step: 'Encode' } });
  await farm().jobIn(id, ['succeeded', 'failed']);
  expect(await marks.lines('encoded')).toEqual(['0.txt 1.txt 2.txt 7.txt 8.txt']);

  const after = await addTasks(id, { step: 'Render', ranges: { N: '9' } });
  expect(after).toMatchObject({ first: 5, last: 5, startedDependents: ['Encode'] });
  await taskIn(farm(), id, 'succeeded', 5);
  const job = await farm().jobIn(id, ['succeeded', 'failed']);
  expect(job.taskCounts).toEqual(counts({ succeeded: 7 }));
  expect(await marks.lines('encoded')).toHaveLength(1);
  await farm()
    .api()
    .call(routes.requeueTask, { params: { jobId: id, step: 'Encode', task: 0 } });
  await marks.written('encoded', 2);
  expect((await marks.lines('encoded'))[1]).toContain('8.txt 9.txt');
  await farm().jobIn(id, ['succeeded']);
  const outputs = await acceptedOutputs(farm(), id);
  expect(outputs.filter(({ step }) => step === 'Render')).toHaveLength(6);
});

it('tasks that wait for single frames are added too, before and after what they wait for', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  const log = (name: string) => `echo "${name} $2" >> "$1/log"`;
  const steps = [
    { name: 'A', range: '0-1', script: log('A') },
    { name: 'B', range: '0-1', dependsOn: ['A'], script: log('B') },
  ];
  const policy = { steps: { B: { frameDependencies: [{ step: 'A' }] } } };
  const { id } = await farm().submit(shellJob(marks, steps), { policy });
  await farm().jobIn(id, ['succeeded']);
  // A has succeeded and has no frame 2: this one waits for A as a whole, which is done.
  await addTasks(id, { step: 'B', ranges: { N: '2' } });
  await farm().jobIn(id, ['succeeded']);
  await addTasks(id, { step: 'A', ranges: { N: '5-6' } }, 0);
  await addTasks(id, { step: 'B', ranges: { N: '5-6' } });
  const job = await farm().jobIn(id, ['succeeded', 'failed']);
  expect(job.taskCounts).toEqual(counts({ succeeded: 9 }));
  const lines = await marks.lines('log');
  expect(lines).toHaveLength(9);
  for (const frame of [0, 1, 5, 6]) {
    expect(lines.indexOf(`A ${frame}`)).toBeLessThan(lines.indexOf(`B ${frame}`));
  }
});

it('answers a call that is repeated under its key with what it added, and no other call', async () => {
  const marks = await Marks.make(farm());
  const { id } = await farm().submit(shellJob(marks, [{ script: 'true', range: '0-2' }]), {
    paused: true,
  });
  const body = { step: 'Render', ranges: { N: '3-5' } };
  const calls = [0, 1, 0, 1].map((replica) => addTasks(id, body, replica, 'add-1'));
  const answers = await Promise.all(calls);
  expect(answers.map(({ first, last }) => [first, last])).toEqual(answers.map(() => [3, 5]));
  expect((await farm().readJob(id)).taskCounts).toEqual(counts({ waiting: 6 }));
  const other = addTasks(id, { ...body, ranges: { N: '6' } }, 0, 'add-1');
  await expect(other).rejects.toThrow('was used for other tasks');
  // Without a key, who comes second finds them there.
  const raced = await Promise.allSettled(
    [0, 1].map((replica) => addTasks(id, { step: 'Render', ranges: { N: '9-10' } }, replica)),
  );
  expect(raced.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  const apart = await Promise.all(
    [20, 21, 22, 23].map((n) => addTasks(id, { step: 'Render', ranges: { N: `${n}` } }, n % 2)),
  );
  expect(apart.map(({ first }) => first).sort()).toEqual([10, 8, 9, 11].sort());
  expect((await stepOf(id, 'Render'))?.taskCounts).toEqual(counts({ waiting: 12 }));
});

it('says what it does not add, and why', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const { id } = await farm().submit(shellJob(marks, [{ script: 'exit 3', range: '0-3' }]), {
    policy: { maxRetriesPerTask: 0, maxFailedTasks: 0 },
    paused: true,
  });
  const refused = async (status: number, body: object): Promise<Problem> => {
    const response = await farm().fetch('POST', `/v1/jobs/${id}/tasks`, body);
    expect(response.status).toBe(status);
    return problemSchema.parse(await response.json());
  };
  const step = 'Render';
  expect(await refused(400, { step: 'Rendr', ranges: { N: '9' } })).toMatchObject({
    detail: expect.stringContaining('did you mean "Render"'),
    errors: [{ path: ['step'] }],
  });
  expect(await refused(400, { step, ranges: { M: '9' } })).toMatchObject({
    errors: [{ path: ['ranges', 'M'], message: expect.stringContaining('(expected N)') }],
  });
  expect(await refused(400, { step, ranges: { N: '2-9' } })).toMatchObject({
    errors: [{ path: ['ranges', 'N'], message: expect.stringContaining('already: N 2') }],
  });
  expect(await refused(400, { step, ranges: { N: 9 } })).toMatchObject({
    errors: [
      { path: ['body', 'ranges', 'N'], message: expect.stringContaining('a string or an array') },
    ],
  });
  expect((await refused(400, { step, ranges: { N: '10-10000000000' } })).detail).toMatch(
    /the job would have 9999999995 tasks; expected at most \d+/,
  );
  expect((await farm().readJob(id)).taskCounts).toEqual(counts({ waiting: 4 }));
  await farm()
    .api()
    .call(routes.resumeJob, { params: { jobId: id } });
  await farm().jobIn(id, ['failed']);
  const failed = await refused(409, { step, ranges: { N: '9' } });
  expect(failed.detail).toBe('The job has failed: retry it first.');
  const canceled = await farm().submit(shellJob(marks, [{ script: 'true' }]), { paused: true });
  await farm()
    .api()
    .call(routes.cancelJob, { params: { jobId: canceled.id } });
  const late = addTasks(canceled.id, { step, ranges: { N: '9' } });
  await expect(late).rejects.toThrow('canceled by a person');
});

it('Redis emptied, added tasks are there again, also those of a job that had succeeded', async () => {
  const marks = await Marks.make(farm());
  const agent = await farm().startAgent({ slots: 2 });
  const script = `echo run >> "$1/run-$2"; if [ "$2" = 12 ]; then ${waitFor('gate')}fi; echo "$2" > "$3/$2.txt"`;
  const steps = [{ script, range: '0-3', writes: true }];
  const policy = { steps: { Render: { order: 'descending' as const } } };
  const ids = [];
  for (const name of ['ended', 'open']) {
    const { id } = await farm().submit(shellJob(marks, steps, name), { policy });
    ids.push(id);
    await farm().jobIn(id, ['succeeded']);
    const range = name === 'ended' ? '8-9' : '10-12';
    await addTasks(id, { step: 'Render', ranges: { N: range } });
    if (name === 'ended') await farm().jobIn(id, ['succeeded']);
  }
  const [ended, open] = ids;
  if (ended === undefined || open === undefined) throw new Error('not submitted');
  await eventually('all but one', async () => {
    const job = await farm().readJob(open);
    return job.taskCounts.succeeded === 6 && job.outputs.published === 6;
  });
  await published(farm(), ended);
  for (const replica of farm().replicas) await replica?.kill();
  await agent.child.kill();
  const redis = new Redis(farm().redis.url);
  await redis.flushall();
  redis.disconnect();
  for (const replica of [0, 1]) await farm().startReplica(replica);
  expect((await farm().readJob(ended)).taskCounts).toEqual(counts({ succeeded: 6 }));
  expect((await farm().readJob(open)).taskCounts).toEqual(counts({ succeeded: 6, waiting: 1 }));
  const added = await addTasks(open, { step: 'Render', ranges: { N: '20' } });
  expect(added.first).toBe(7);
  await marks.open('gate');
  await farm().startAgent({ dir: agent.dir, slots: 2 });
  const job = await farm().jobIn(open, ['succeeded', 'failed']);
  expect(job.taskCounts).toEqual(counts({ succeeded: 8 }));
  const values = (await tasksOf(farm(), open)).map(({ parameters }) => parameters.N);
  expect(values).toEqual(['0', '1', '2', '3', '10', '11', '12', '20']);
  expect(await marks.lines('run-10')).toEqual(['run']);
});

it('a call that was cut off is completed by its repetition, and never loses what storage had', async () => {
  const marks = await Marks.make(farm());
  const agent = await farm().startAgent();
  const redis = new Redis(farm().redis.url);
  const [jobs, extensions] = [new JobStore(redis), new ExtensionStore(redis)];
  const body: AddTasks = { step: 'Render', ranges: { N: '5-6' } };
  const key = 'cut-off';
  /** A job that has succeeded, and what the call would write. */
  async function ended(name: string) {
    const steps = [{ script: 'echo "$2" > "$3/$2.txt"', range: '0-1', writes: true }];
    const { id } = await farm().submit(shellJob(marks, steps, name));
    await farm().jobIn(id, ['succeeded']);
    await published(farm(), id);
    const job = await jobs.read(id);
    const stored = await jobs.readDefinition(id);
    const own = stored?.definition.job.steps[0];
    if (job === undefined || stored === undefined || own === undefined) throw new Error('no job');
    const extended = extendStep(own, body.ranges, { tasks: 2, tasksMax: 10 });
    if (!extended.ok) throw new Error(extended.error[0]?.message);
    const grown = stored.definition.job.steps.with(0, extended.value.step);
    const definition = { ...stored.definition, job: { ...stored.definition.job, steps: grown } };
    return { job, sha1: stored.sha1, definition };
  }
  // Cut off behind the Lua call.
  const { job, sha1, definition } = await ended('behind');
  const record = { bodyHash: bodyHash(body), step: 0, first: 2, last: 3 };
  const extension = { step: 0, tasks: 2, sha1, definition, call: { key, record } };
  expect(await extensions.extend(job.id, extension, Date.parse(job.createdAt))).toBeDefined();
  expect(await addTasks(job.id, body, 1, key)).toMatchObject({ first: 2, last: 3 });
  const done = await farm().jobIn(job.id, ['succeeded']);
  expect(done.taskCounts).toEqual(counts({ succeeded: 4 }));
  await published(farm(), job.id);

  // Cut off before it, and Redis lost: they run, as the caller wished.
  const before = await ended('before');
  const objects = createObjectStore({
    ...farm().storage,
    region: 'us-east-1',
    publicEndpoint: undefined,
  });
  const { createdAt } = before.job;
  await putJobFile(objects, {
    ...before.job,
    definition: before.definition,
    createdAtMs: Date.parse(createdAt),
  });
  objects.close();
  for (const replica of farm().replicas) await replica?.kill();
  await agent.child.kill();
  await redis.flushall();
  redis.disconnect();
  for (const replica of [0, 1]) await farm().startReplica(replica);
  expect((await farm().readJob(job.id)).taskCounts).toEqual(counts({ succeeded: 4 }));
  expect((await farm().readJob(before.job.id)).taskCounts).toEqual(
    counts({ succeeded: 2, waiting: 2 }),
  );
  await farm().startAgent({ dir: agent.dir });
  const ran = await farm().jobIn(before.job.id, ['succeeded', 'failed']);
  expect(ran.taskCounts).toEqual(counts({ succeeded: 4 }));
});
