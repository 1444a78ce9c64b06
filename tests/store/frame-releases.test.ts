import { FrameReleases } from '@karst/orchestrator/jobs/frame-releases.ts';
import { ControlStore } from '@karst/orchestrator/store/control-store.ts';
import { JobStore } from '@karst/orchestrator/store/job-store.ts';
import { keys } from '@karst/orchestrator/store/keys.ts';
import { ReleaseStore } from '@karst/orchestrator/store/release-store.ts';
import { SpanStore } from '@karst/orchestrator/store/span-store.ts';
import { TaskReader } from '@karst/orchestrator/store/task-reader.ts';
import { systemClock } from '@karst/shared/clock.ts';
import { createJob } from '@karst/shared/openjd/create-job.ts';
import { validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import { newJobId, newLeaseId, newNodeId, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { policySchema } from '@karst/shared/protocol/job.ts';
import { systemRandom } from '@karst/shared/random.ts';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { nothingPaged } from './support/real-farm.ts';
import { reportOne } from './support/report-one.ts';

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

const nodeId = newNodeId(systemRandom);
const NOW_MS = 1_000_000;
const FRAMES = 8;
const [A, B] = [0, 1];

/** A renders frames, B takes chunks of some of them. */
async function makeFarm(chunkSize: number) {
  const step = (name: string, parameter: object, rest: object = {}) => ({
    name,
    ...rest,
    parameterSpace: {
      taskParameterDefinitions: [{ name: 'F', range: `1-${FRAMES}`, ...parameter }],
    },
    script: { actions: { onRun: { command: 'true' } } },
  });
  const chunks = { defaultTaskCount: chunkSize, rangeConstraint: 'CONTIGUOUS' };
  const template = validateTemplate({
    specificationVersion: 'jobtemplate-2023-09',
    extensions: ['TASK_CHUNKING'],
    name: 'frames',
    steps: [
      step('A', { type: 'INT' }),
      step('B', { type: 'CHUNK[INT]', chunks }, { dependencies: [{ dependsOn: 'A' }] }),
    ],
  });
  if (!template.ok) throw new Error('the template is not valid');
  const created = createJob(template.value, {});
  if (!created.ok) throw new Error('the job is not valid');
  const jobs = new JobStore(redis);
  const spans = new SpanStore(redis);
  const jobId = newJobId(systemRandom);
  await jobs.create({
    id: jobId,
    studio: studioIdSchema.parse('default'),
    project: 'default',
    policy: policySchema.parse({
      maxRetriesPerTask: 0,
      steps: { B: { frameDependencies: [{ step: 'A' }] } },
    }),
    definition: { job: created.value, locations: {}, inputCount: 0 },
    createdAtMs: NOW_MS,
  });
  const queued: number[] = [];
  const replica = () =>
    new FrameReleases({
      jobs,
      releases: new ReleaseStore(redis),
      clock: systemClock,
      spanLimits: { targetMs: 1000, tasksMax: 100 },
      queue: async (_, of, spanIds) => {
        expect(of).toBe(B);
        queued.push(...spanIds);
      },
      follow: async () => undefined,
    });
  return {
    jobId,
    jobs,
    spans,
    queued,
    control: new ControlStore(redis),
    tasks: new TaskReader(redis, spans, nothingPaged(redis)),
    replicas: [replica(), replica()] as const,
    bTasks: created.value.steps[B]?.taskCount ?? 0,
  };
}

type TestFarm = Awaited<ReturnType<typeof makeFarm>>;

/** Grants a queued span and reports each of its tasks. */
async function run({ jobId, spans }: TestFarm, step: number, spanId: number, code: 'b' | 't') {
  const leaseId = newLeaseId(systemRandom);
  const granted = await spans.grant(jobId, step, nodeId, NOW_MS, [{ spanId, leaseId }]);
  const lease = granted.status === 'granted' ? granted.spans[0] : undefined;
  if (!lease) throw new Error(`span ${spanId} of step ${step} was not granted`);
  const { first, last, epoch } = lease;
  const results = Array.from({ length: last - first + 1 }, (_, i) => ({
    code,
    first: first + i,
    last: first + i,
    runMs: 1,
    record: code === 'b' ? `${first + i} ${first + i} ${epoch} ${nodeId} 1 2` : '{"e":1}',
    outputs: '',
    outputsCount: 0,
  }));
  const place = { jobId, step, spanId, leaseId, epoch };
  const reported = await reportOne(spans, nodeId, place, NOW_MS, results);
  expect(reported.status).toBe('accepted');
}

const statesOf = async ({ tasks, jobId }: TestFarm, step: number, taskCount: number) => {
  const query = { from: 0, limit: taskCount, state: undefined, taskCount };
  return (await tasks.page(jobId, step, query)).facts.map(({ state }) => state);
};

/** Which tasks of B wait in a span. */
const fedTasks = async ({ spans, jobId }: TestFarm) =>
  (await spans.list(jobId, B)).flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, i) => first + i),
  );

const drain = ({ jobId, replicas }: TestFarm, which: number) =>
  which === 2
    ? Promise.all(replicas.map((replica) => replica.drain(jobId)))
    : replicas[which]?.drain(jobId);

const chunkOf = (frame: number, size: number, bTasks: number) =>
  // Even chunks, as the template's are.
  Math.min(Math.floor(frame / size), bTasks - 1);

it('feeds each task of B once, as soon as all its frames are there, in any order, whoever looks', async () => {
  const event = fc.record({
    pick: fc.nat(100),
    what: fc.constantFrom('run', 'run', 'run', 'requeue', 'drain'),
    who: fc.nat(2),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(1, 2, 4),
      fc.array(event, { minLength: 5, maxLength: 30 }),
      async (size, events) => {
        await redis.flushall();
        const farm = await makeFarm(size);
        const { jobId, spans, control, bTasks } = farm;
        await spans.createSpans(jobId, A, 1, FRAMES);
        let fed = new Set<number>();
        const look = async (who: number) => {
          await drain(farm, who);
          expect(await redis.llen(keys.releases(jobId))).toBe(0);
          const frames = await statesOf(farm, A, FRAMES);
          const now = await fedTasks(farm);
          expect(new Set(now).size, 'no task twice').toBe(now.length);
          for (let task = 0; task < bTasks; task++) {
            const needs = frames.filter((_, frame) => chunkOf(frame, size, bTasks) === task);
            const isThere = needs.every((state) => state === 'succeeded');
            // What was fed before stays, though its frames run again.
            expect(now.includes(task), `task ${task} fed`).toBe(isThere || fed.has(task));
          }
          fed = new Set(now);
        };
        for (const { pick, what, who } of events) {
          if (what === 'drain') await look(who);
          else if (what === 'run') {
            const open = await spans.list(jobId, A);
            const span = open[pick % Math.max(open.length, 1)];
            if (span !== undefined) await run(farm, A, span.spanId, 'b');
            // In between only what is still so when somebody looks counts.
            else await look(who);
          } else {
            await look(who);
            await control.requeueTask(jobId, A, pick % FRAMES, NOW_MS);
          }
        }
        for (const { spanId } of await spans.list(jobId, A)) await run(farm, A, spanId, 'b');
        await look(2);
        expect((await fedTasks(farm)).sort((a, b) => a - b)).toEqual(
          Array.from({ length: bTasks }, (_, i) => i),
        );
        expect(new Set(farm.queued)).toEqual(
          new Set((await spans.list(jobId, B)).map(({ spanId }) => spanId)),
        );
        for (const { spanId } of await spans.list(jobId, B)) await run(farm, B, spanId, 'b');
        expect(await farm.jobs.read(jobId)).toMatchObject({
          state: 'succeeded',
          taskCounts: { succeeded: FRAMES + bTasks, waiting: 0 },
        });
      },
    ),
    { numRuns: 60 },
  );
});

it('cancels what was never fed when A has failed, once, and feeds it when A is retried', async () => {
  const farm = await makeFarm(1);
  const { jobId, spans, control, jobs } = farm;
  const { spanIds } = await spans.createSpans(jobId, A, 1, FRAMES);
  for (const [frame, spanId] of spanIds.entries()) {
    await run(farm, A, spanId, frame === 2 || frame === 5 ? 't' : 'b');
  }
  // What A did before it ended is not lost with it, however late somebody looks.
  await drain(farm, 2);
  expect((await fedTasks(farm)).sort((a, b) => a - b)).toEqual([0, 1, 3, 4, 6, 7]);
  const waiting = Array.from({ length: FRAMES }, (_, i) =>
    i === 2 || i === 5 ? 'canceled' : 'waiting',
  );
  expect(await statesOf(farm, B, FRAMES)).toEqual(waiting);
  expect((await jobs.read(jobId))?.taskCounts).toMatchObject({
    waiting: 6,
    failed: 2,
    canceled: 2,
  });

  await run(farm, B, (await spans.list(jobId, B))[0]?.spanId ?? 0, 'b');
  for (const step of [A, B]) await control.retryStep(jobId, step, NOW_MS, 1);
  await drain(farm, 0);
  expect((await jobs.read(jobId))?.taskCounts).toMatchObject({
    waiting: 9,
    failed: 0,
    canceled: 0,
  });
  for (const { spanId } of await spans.list(jobId, A)) await run(farm, A, spanId, 'b');
  await drain(farm, 1);
  for (const { spanId } of await spans.list(jobId, B)) await run(farm, B, spanId, 'b');
  expect(await jobs.read(jobId)).toMatchObject({
    state: 'succeeded',
    taskCounts: { succeeded: 2 * FRAMES, waiting: 0, canceled: 0 },
  });
});

it('feeds what A did while B was ended when B is retried', async () => {
  const farm = await makeFarm(1);
  const { jobId, spans, control, jobs } = farm;
  const { spanIds } = await spans.createSpans(jobId, A, 1, FRAMES);
  for (const spanId of spanIds) await run(farm, A, spanId, 't');
  await drain(farm, 0);
  expect(await jobs.read(jobId)).toMatchObject({
    state: 'failed',
    taskCounts: { canceled: FRAMES },
  });
  await control.retryStep(jobId, A, NOW_MS, 1);
  for (const { spanId } of await spans.list(jobId, A)) await run(farm, A, spanId, 'b');
  await drain(farm, 0);
  expect(await fedTasks(farm)).toEqual([]);
  await control.retryStep(jobId, B, NOW_MS, 1);
  await drain(farm, 1);
  expect((await fedTasks(farm)).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});
