import { ControlStore } from '@karst/orchestrator/store/control-store.ts';
import { JobStore } from '@karst/orchestrator/store/job-store.ts';
import { keys } from '@karst/orchestrator/store/keys.ts';
import { SpanStore } from '@karst/orchestrator/store/span-store.ts';
import { createJob } from '@karst/shared/openjd/create-job.ts';
import { validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import { newJobId, newLeaseId, newNodeId, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { policySchema } from '@karst/shared/protocol/job.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';
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

/** A stored job of one step after another, some of them held. */
async function storedJob(names: readonly string[], held: readonly string[]) {
  const template = validateTemplate({
    specificationVersion: 'jobtemplate-2023-09',
    name: 'held',
    steps: names.map((name, i) => ({
      name,
      ...(i === 0 ? {} : { dependencies: [{ dependsOn: names[i - 1] }] }),
      script: { actions: { onRun: { command: 'true' } } },
    })),
  });
  if (!template.ok) throw new Error('the template is not valid');
  const job = createJob(template.value, {});
  if (!job.ok) throw new Error('the job is not valid');
  const id = newJobId(systemRandom);
  const steps = Object.fromEntries(held.map((name) => [name, { hold: true }]));
  await new JobStore(redis).create({
    id,
    studio: studioIdSchema.parse('default'),
    project: 'default',
    policy: policySchema.parse({ maxRetriesPerTask: 0, maxFailedTasks: 0, steps }),
    definition: { job: job.value, locations: {}, inputCount: 0 },
    createdAtMs: NOW_MS,
  });
  return id;
}

type StoredJob = Awaited<ReturnType<typeof storedJob>>;

const grant = (jobId: StoredJob, step: number, spanId: number) => {
  const leaseId = newLeaseId(systemRandom);
  return new SpanStore(redis).grant(jobId, step, nodeId, NOW_MS, [{ spanId, leaseId }]);
};

/** Runs a step's one task to its end; its span, when it has one already. */
async function endStep(jobId: StoredJob, step: number, code: 'b' | 't', queued?: number) {
  const spans = new SpanStore(redis);
  const spanId = queued ?? (await spans.createSpans(jobId, step, 1, 1)).spanIds[0] ?? 0;
  const leaseId = newLeaseId(systemRandom);
  const granted = await spans.grant(jobId, step, nodeId, NOW_MS, [{ spanId, leaseId }]);
  const epoch = granted.status === 'granted' ? (granted.spans[0]?.epoch ?? 0) : 0;
  const result = { code, first: 0, last: 0, runMs: 1, record: '{}', outputs: '', outputsCount: 0 };
  return reportOne(spans, nodeId, { jobId, step, spanId, leaseId, epoch }, NOW_MS, [result]);
}

it('makes and grants no spans of a held step', async () => {
  const jobId = await storedJob(['Render'], ['Render']);
  const [spans, control] = [new SpanStore(redis), new ControlStore(redis)];
  expect(await spans.createSpans(jobId, 0, 1, 1)).toEqual({ remaining: 0, spanIds: [] });
  await control.releaseStep(jobId, 0);
  const { spanIds } = await spans.createSpans(jobId, 0, 1, 1);
  // A span that was queued before stays where it is, too.
  await redis.hset(keys.step(jobId, 0), 'held', 1);
  expect(await grant(jobId, 0, spanIds[0] ?? 0)).toEqual({ status: 'held' });
  expect(await control.releaseStep(jobId, 0)).toBe(true);
  expect(await control.releaseStep(jobId, 0)).toBe(false);
  expect((await grant(jobId, 0, spanIds[0] ?? 0)).status).toBe('granted');
});

it('tells of a hold from when the step could run until it is released', async () => {
  const jobs = new JobStore(redis);
  const jobId = await storedJob(['Look', 'Render', 'Film'], ['Render', 'Film']);
  const held = async () => (await jobs.read(jobId))?.heldSteps;
  expect(await held()).toBeUndefined();
  const report = await endStep(jobId, 0, 'b');
  expect(report.effects.ended).toEqual([0]);
  expect(await held()).toEqual(['Render']);
  await new ControlStore(redis).releaseStep(jobId, 1);
  expect(await held()).toBeUndefined();
  await endStep(jobId, 1, 'b');
  expect(await jobs.read(jobId)).toMatchObject({
    heldSteps: ['Film'],
    message: 'Film is held for approval',
  });
  await new ControlStore(redis).cancel(jobId, NOW_MS);
  expect(await held()).toBeUndefined();
});

it('holds a step that was canceled with its failed dependency when that is retried', async () => {
  const jobs = new JobStore(redis);
  const control = new ControlStore(redis);
  const jobId = await storedJob(['Look', 'Render'], ['Render']);
  await endStep(jobId, 0, 't');
  expect(await jobs.read(jobId)).toMatchObject({ state: 'failed', heldSteps: undefined });
  for (const step of [0, 1]) await control.retryStep(jobId, step, NOW_MS, 1);
  await endStep(jobId, 0, 'b', (await new SpanStore(redis).list(jobId, 0))[0]?.spanId);
  expect((await jobs.read(jobId))?.heldSteps).toEqual(['Render']);
});
