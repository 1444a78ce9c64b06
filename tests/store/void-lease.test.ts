import { keys } from '@karst/orchestrator/store/keys.ts';
import { newLeaseId, newNodeId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { RealFarm } from './support/real-farm.ts';

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
const shape = { steps: [{ taskCount: 1, dependsOn: [] }], maxRetries: 0, maxFailed: 0 };

async function start() {
  const { spans, jobs, jobId } = await RealFarm.withJob(redis, shape);
  const [spanId = 0] = (await spans.createSpans(jobId, 0, 1, 1)).spanIds;
  const leaseId = newLeaseId(systemRandom);
  const grant = (lease = leaseId) =>
    spans.grant(jobId, 0, nodeId, 1000, [{ spanId, leaseId: lease }]);
  const voidLease = () => spans.voidLease({ jobId, step: 0, spanId, leaseId, epoch: 0 });
  const counts = async () => (await jobs.read(jobId))?.taskCounts;
  return { jobId, spanId, leaseId, grant, voidLease, counts };
}

it('refuses a grant that comes after its lease was struck off, and leaves the span to others', async () => {
  const { jobId, spanId, grant, voidLease, counts } = await start();
  expect(await voidLease()).toBeUndefined();
  expect(await grant()).toMatchObject({ spans: [null], voided: new Set([spanId]) });
  expect(await counts()).toMatchObject({ waiting: 1, running: 0 });
  expect(await grant(newLeaseId(systemRandom))).toMatchObject({
    spans: [{ first: 0, last: 0 }],
    voided: new Set(),
  });
  expect(await redis.pttl(keys.voidLeases(jobId, 0))).toBeGreaterThan(0);
});

it('lets a lease stand that was granted first, to be told again', async () => {
  const { spanId, leaseId, grant, voidLease, counts } = await start();
  await grant();
  expect(await voidLease()).toMatchObject({ spanId, state: 'leased', nodeId, leaseId });
  expect(await counts()).toMatchObject({ waiting: 0, running: 1 });
});
