import { ControlStore } from '@karst/orchestrator/store/control-store.ts';
import { JobStore } from '@karst/orchestrator/store/job-store.ts';
import { keys } from '@karst/orchestrator/store/keys.ts';
import { pathHashes } from '@karst/orchestrator/store/path-hash.ts';
import { type ResultWords, SpanStore } from '@karst/orchestrator/store/span-store.ts';
import { createJob } from '@karst/shared/openjd/create-job.ts';
import { validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import {
  type JobId,
  newJobId,
  newLeaseId,
  newNodeId,
  studioIdSchema,
} from '@karst/shared/protocol/ids.ts';
import { policySchema } from '@karst/shared/protocol/job.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { reportOne } from './support/report-one.ts';

let server: TestRedis;
let redis: Redis;
let spans: SpanStore;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
  spans = new SpanStore(redis);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

const nodeId = newNodeId(systemRandom);
const NOW_MS = 1_000_000;

/** A job of steps A, B (behind A), C (behind B) and D (of its own), of so many tasks each. */
async function storedJob(tasks: number): Promise<JobId> {
  const step = (name: string, dependsOn?: string) => ({
    name,
    ...(dependsOn === undefined ? {} : { dependencies: [{ dependsOn }] }),
    parameterSpace: {
      taskParameterDefinitions: [{ name: 'N', type: 'INT', range: `1-${tasks}` }],
    },
    script: { actions: { onRun: { command: 'true' } } },
  });
  const template = validateTemplate({
    specificationVersion: 'jobtemplate-2023-09',
    name: 'paths',
    steps: [step('A'), step('B', 'A'), step('C', 'B'), step('D')],
  });
  if (!template.ok) throw new Error('the template is not valid');
  const job = createJob(template.value, {});
  if (!job.ok) throw new Error('the job is not valid');
  const id = newJobId(systemRandom);
  await new JobStore(redis).create({
    id,
    studio: studioIdSchema.parse('default'),
    project: 'default',
    policy: policySchema.parse({}),
    definition: { job: job.value, locations: {}, inputCount: 0 },
    createdAtMs: NOW_MS,
  });
  return id;
}

const wrote = (task: number, ...paths: string[]): ResultWords => ({
  code: 's',
  first: task,
  last: task,
  runMs: 1,
  record: '{}',
  outputs: '{}',
  outputsCount: paths.length,
  paths: pathHashes(paths.map((path) => ({ path }))),
});

/** A lease of the next `tasks` tasks of a step. */
async function leased(jobId: JobId, step: number, tasks = 1, spanId?: number) {
  const made = spanId ?? (await spans.createSpans(jobId, step, tasks, 1)).spanIds[0] ?? 0;
  const leaseId = newLeaseId(systemRandom);
  const granted = await spans.grant(jobId, step, nodeId, NOW_MS, [{ spanId: made, leaseId }]);
  const epoch = granted.status === 'granted' ? (granted.spans[0]?.epoch ?? 0) : 0;
  const lease = { jobId, step, spanId: made, leaseId, epoch };
  return (...results: ResultWords[]) => reportOne(spans, nodeId, lease, NOW_MS, results);
}

const pathKeys = (jobId: JobId) => redis.keys(keys.paths(jobId, 0).replace(/0$/, '*'));

it('a path that another task of the step wrote is a conflict that names it; nothing is recorded', async () => {
  const jobId = await storedJob(3);
  expect(await (await leased(jobId, 0))(wrote(0, 'out/a', 'out/b'))).toMatchObject({
    status: 'accepted',
  });
  const second = await leased(jobId, 0);
  expect(await second(wrote(1, 'out/c', 'out/b'))).toMatchObject({
    status: 'conflict',
    conflict: { first: 1, file: 1, step: 0, task: 0 },
    released: false,
  });
  const before = await new JobStore(redis).read(jobId);
  expect(before?.taskCounts).toMatchObject({ succeeded: 1, running: 1 });
  // What was refused claims nothing; the lease is still the node's.
  const failed = { ...wrote(1), code: 'x' as const, outputs: '', outputsCount: 0 };
  expect(await second(failed)).toMatchObject({ status: 'accepted', released: true });
  expect(await (await leased(jobId, 0))(wrote(2, 'out/c'))).toMatchObject({ status: 'accepted' });
});

it('two tasks of one report conflict with each other', async () => {
  const jobId = await storedJob(2);
  const report = await leased(jobId, 0, 2);
  expect(await report(wrote(0, 'same'), wrote(1, 'same'))).toMatchObject({
    status: 'conflict',
    conflict: { first: 1, file: 0, step: 0, task: 0 },
  });
});

it('of two reports at once exactly one is accepted', async () => {
  const jobId = await storedJob(2);
  const reports = [await leased(jobId, 0), await leased(jobId, 0)];
  const told = await Promise.all(reports.map((report, task) => report(wrote(task, 'same'))));
  expect(told.map(({ status }) => status).sort()).toEqual(['accepted', 'conflict']);
});

it('a task that runs again may write what it wrote, a repeated report changes nothing', async () => {
  const jobId = await storedJob(2);
  const report = await leased(jobId, 0, 2);
  expect(await report(wrote(0, 'a'))).toMatchObject({ status: 'accepted', released: false });
  expect(await report(wrote(0, 'a'), wrote(1, 'b'))).toMatchObject({ status: 'accepted' });
  const requeued = await new ControlStore(redis).requeueTask(jobId, 0, 0, NOW_MS);
  const again = await leased(jobId, 0, 1, requeued.spanId);
  expect(await again(wrote(0, 'a', 'more'))).toMatchObject({ status: 'accepted' });
});

it('a step may write over what a step before it wrote, also further back; a stranger may not', async () => {
  const jobId = await storedJob(2);
  await (await leased(jobId, 0, 2))(wrote(0, 'cache'), wrote(1, 'other'));
  await (await leased(jobId, 1, 2))(wrote(0, 'cache'), wrote(1, 'b'));
  expect(await (await leased(jobId, 2))(wrote(0, 'cache'))).toMatchObject({ status: 'accepted' });
  // Within the step it is a conflict all the same.
  expect(await (await leased(jobId, 2))(wrote(1, 'cache'))).toMatchObject({
    conflict: { step: 2, task: 0 },
  });
  expect(await (await leased(jobId, 3))(wrote(0, 'cache'))).toMatchObject({
    status: 'conflict',
    conflict: { first: 0, file: 0, step: 2, task: 0 },
  });
  // The former step again: who depends on it may have written over it meanwhile.
  const requeued = await new ControlStore(redis).requeueTask(jobId, 0, 0, NOW_MS);
  const again = await leased(jobId, 0, 1, requeued.spanId);
  expect(await again(wrote(0, 'cache'))).toMatchObject({ status: 'accepted' });
});

it('keeps a few bytes for each output in compact lists, and nothing once the job has ended', async () => {
  const jobId = await storedJob(1000);
  for (let step = 0; step < 4; step++) {
    const report = await leased(jobId, step, 1000);
    const results = Array.from({ length: 1000 }, (_, i) => wrote(i, `out/${step}/frame_${i}.exr`));
    if (step === 3) {
      const kept = await pathKeys(jobId);
      expect(kept).toHaveLength(16);
      const sizes = await Promise.all(kept.map((key) => redis.memory('USAGE', key)));
      const bytes = sizes.reduce((sum: number, size) => sum + (size ?? 0), 0);
      expect(bytes / 3000).toBeLessThan(32);
      expect(await redis.object('ENCODING', kept[0] ?? '')).toBe('listpack');
    }
    expect(await report(...results)).toMatchObject({ status: 'accepted' });
  }
  expect((await new JobStore(redis).read(jobId))?.state).toBe('succeeded');
  expect(await pathKeys(jobId)).toEqual([]);
});
