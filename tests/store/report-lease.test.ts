import { TaskTimes } from '@karst/orchestrator/scheduler/task-times.ts';
import { ControlStore } from '@karst/orchestrator/store/control-store.ts';
import { FarmSurvey } from '@karst/orchestrator/store/farm-survey.ts';
import { JobStore } from '@karst/orchestrator/store/job-store.ts';
import { keys } from '@karst/orchestrator/store/keys.ts';
import { OutputReader } from '@karst/orchestrator/store/output-reader.ts';
import { type ResultWords, SpanStore } from '@karst/orchestrator/store/span-store.ts';
import { createJob } from '@karst/shared/openjd/create-job.ts';
import { validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import { newJobId, newLeaseId, newNodeId, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { policySchema } from '@karst/shared/protocol/job.ts';
import { systemRandom } from '@karst/shared/random.ts';
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

/** A stored job of one step with `tasks` tasks and no retries but those named. */
async function storedJob(tasks: number, maxRetriesPerTask: number) {
  const range = `1-${tasks}`;
  const template = validateTemplate({
    specificationVersion: 'jobtemplate-2023-09',
    name: 'reports',
    steps: [
      {
        name: 'Render',
        parameterSpace: { taskParameterDefinitions: [{ name: 'N', type: 'INT', range }] },
        script: { actions: { onRun: { command: 'true' } } },
      },
    ],
  });
  if (!template.ok) throw new Error('the template is not valid');
  const job = createJob(template.value, {});
  if (!job.ok) throw new Error('the job is not valid');
  const id = newJobId(systemRandom);
  await new JobStore(redis).create({
    id,
    studio: studioIdSchema.parse('default'),
    project: 'default',
    policy: policySchema.parse({ maxRetriesPerTask }),
    definition: { job: job.value, locations: {}, inputCount: 0 },
    createdAtMs: NOW_MS,
  });
  return id;
}

const words = (code: ResultWords['code'], task: number, outputs = ''): ResultWords => ({
  code,
  first: task,
  last: task,
  runMs: 1,
  record: code === 'b' ? `${task} ${task} 1 ${nodeId} 1 2` : '{}',
  outputs,
  outputsCount: outputs === '' ? 0 : 1,
});

/** Leases a span and reports its results. */
async function runSpan(
  jobId: Awaited<ReturnType<typeof storedJob>>,
  spanId: number,
  results: ResultWords[],
) {
  const spans = new SpanStore(redis);
  const leaseId = newLeaseId(systemRandom);
  const granted = await spans.grant(jobId, 0, nodeId, NOW_MS, [{ spanId, leaseId }]);
  const epoch = granted.status === 'granted' ? (granted.spans[0]?.epoch ?? 0) : 0;
  return await reportOne(
    spans,
    nodeId,
    { jobId, step: 0, spanId, leaseId, epoch },
    NOW_MS,
    results,
  );
}

it('tells which of several failed tasks are retried, and which are failed for good', async () => {
  const jobId = await storedJob(2, 1);
  const { spanIds } = await new SpanStore(redis).createSpans(jobId, 0, 2, 1);
  const first = await runSpan(jobId, spanIds[0] ?? 0, [words('t', 0), words('n', 1)]);
  expect(first.effects.retries.map(({ task }) => task)).toEqual([0, 1]);
  const again = first.effects.retries.find(({ task }) => task === 0);
  const second = await runSpan(jobId, again?.spanId ?? 0, [words('t', 0)]);
  expect(second.effects.retries).toEqual([]);
  expect((await new JobStore(redis).read(jobId))?.taskCounts.failed).toBe(1);
});

it.each(['b', 's'] as const)(
  'a task run again that succeeds (%s) without outputs no longer has its former ones',
  async (code) => {
    const jobId = await storedJob(1, 0);
    const outputs = new OutputReader(redis, nothingPaged(redis));
    const listed = async () =>
      (await outputs.page(jobId, { step: 0, task: 0, file: 0 }, 0, 10)).files.length;
    const { spanIds } = await new SpanStore(redis).createSpans(jobId, 0, 1, 1);
    const file = { path: 'out/a.txt', sha256: 'a'.repeat(64), sizeBytes: 1 };
    const accepted = JSON.stringify({ epoch: 1, files: [file] });
    await runSpan(jobId, spanIds[0] ?? 0, [words('s', 0, accepted)]);
    expect(await listed()).toBe(1);
    const requeued = await new ControlStore(redis).requeueTask(jobId, 0, 0, NOW_MS);
    const report = await runSpan(jobId, requeued.spanId, [words(code, 0)]);
    expect(report.status).toBe('accepted');
    expect(await listed()).toBe(0);
  },
);

it('marks exactly the tasks of long ranges as succeeded', async () => {
  const jobId = await storedJob(400, 0);
  const { spanIds } = await new SpanStore(redis).createSpans(jobId, 0, 150, 3);
  const range = (first: number, last: number) => ({ ...words('b', first), last });
  await runSpan(jobId, spanIds[0] ?? 0, [range(0, 30), words('t', 31), range(32, 149)]);
  await runSpan(jobId, spanIds[2] ?? 0, [range(300, 399)]);
  const bits = await Promise.all(
    Array.from({ length: 420 }, (_, task) => redis.getbit(keys.succeeded(jobId, 0), task)),
  );
  const within = (task: number) => (task < 150 && task !== 31) || (task >= 300 && task < 400);
  expect(bits.map(Boolean)).toEqual(bits.map((_, task) => within(task)));
});

it('counts how long tasks took, in the buckets of scheduler/task-times.ts', async () => {
  const jobId = await storedJob(7, 0);
  const { spanIds } = await new SpanStore(redis).createSpans(jobId, 0, 7, 1);
  const range = { ...words('b', 3), last: 6, runMs: 4 * 700 };
  await runSpan(jobId, spanIds[0] ?? 0, [
    { ...words('s', 0), runMs: 0 },
    { ...words('s', 1), runMs: 64_000 },
    { ...words('t', 2), runMs: 5 },
    range,
  ]);
  const times = await new FarmSurvey(redis).times({ jobId, step: 0 });
  expect(times).toEqual(TaskTimes.of([0, 64_000, 700, 700, 700, 700]));
  expect(times.count).toBe(6);
});
