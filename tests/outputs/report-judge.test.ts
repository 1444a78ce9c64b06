import { JobEvents } from '@karst/orchestrator/jobs/job-events.ts';
import { createMetrics } from '@karst/orchestrator/metrics/metrics.ts';
import { objectKeys } from '@karst/orchestrator/objects/keys.ts';
import { JobStore } from '@karst/orchestrator/store/job-store.ts';
import { ReportJudge } from '@karst/orchestrator/sync/report-judge.ts';
import { newJobId, newLeaseId, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { policySchema } from '@karst/shared/protocol/job.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startStorage } from '../http/test-farm.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

let server: TestRedis;
let redis: Redis;
let storage: Awaited<ReturnType<typeof startStorage>>;
beforeAll(async () => {
  [server, storage] = await Promise.all([startRedis(), startStorage()]);
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await Promise.all([server.stop(), storage.close()]);
});

const logger = pino({ level: 'silent' });
const studio = studioIdSchema.parse('pixels');
const sha256 = 'a'.repeat(64);

/** What becomes of a success with so many outputs, after storage was changed. */
async function judged(count: number, change: (keys: string[]) => Promise<unknown>) {
  const jobs = new JobStore(redis);
  const jobId = newJobId(systemRandom);
  const script = {
    onRun: { command: 'true', args: [], cancelation: { mode: 'TERMINATE' as const } },
    embeddedFiles: [],
  };
  const job = {
    name: 'judged',
    parameters: {},
    steps: [{ name: 'Render', dependsOn: [], taskCount: 1, script }],
  };
  await jobs.create({
    id: jobId,
    studio,
    project: 'default',
    policy: policySchema.parse({}),
    definition: { job, locations: {}, inputCount: 0 },
    createdAtMs: 1,
  });
  const paths = Array.from({ length: count }, (_, i) => `out/ü ${i}.txt`);
  const keys = paths.map((path) => objectKeys.attempt(studio, jobId, 0, 0, 3, path));
  await Promise.all(keys.map((key) => storage.objects.putText(key, 'here')));
  await change(keys);
  const judge = new ReportJudge({
    jobs,
    objects: storage.objects,
    events: new JobEvents(jobs, { publish: () => undefined }),
    metrics: createMetrics({ version: 'test', collect: async () => ({ redisUp: true }), logger }),
    listForPublishing: async () => undefined,
  });
  const times = { startedAtMs: 1, endedAtMs: 2 };
  const outputs = paths.map((path) => ({ path, sha256, sizeBytes: 4 }));
  const { results } = await judge.judged({
    leaseId: newLeaseId(systemRandom),
    jobId,
    step: 0,
    spanId: 1,
    epoch: 3,
    results: [{ outcome: 'succeeded', first: 0, last: 0, ...times, outputs }],
  });
  return results[0];
}

it.each([1, 8, 9, 40])('of %i outputs each has to be in storage, with its size', async (count) => {
  const last = `out/ü ${count - 1}.txt`;
  expect(await judged(count, async () => undefined)).toMatchObject({ outcome: 'succeeded' });
  const gone = judged(count, (keys) => storage.objects.delete(keys.at(-1) ?? ''));
  expect(await gone).toMatchObject({
    outcome: 'failed',
    kind: 'storage',
    message: `output ${last} is not in storage`,
  });
  const other = judged(count, (keys) => storage.objects.putText(keys.at(-1) ?? '', 'shorter?'));
  expect(await other).toMatchObject({
    kind: 'storage',
    message: `output ${last} has 8 bytes in storage, 4 were reported`,
  });
});
