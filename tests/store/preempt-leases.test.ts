import { keys } from '@karst/orchestrator/store/keys.ts';
import { NodeStore } from '@karst/orchestrator/store/node-store.ts';
import { type Preempt, parsePreempts } from '@karst/orchestrator/store/preempt-record.ts';
import { PreemptStore } from '@karst/orchestrator/store/preempt-store.ts';
import {
  type JobId,
  type LeaseId,
  type NodeId,
  newJobId,
  newLeaseId,
  newNodeId,
} from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { RealFarm } from './support/real-farm.ts';

let server: TestRedis;
let redis: Redis;
let store: PreemptStore;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
  store = new PreemptStore(redis);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

const newLease = () => newLeaseId(systemRandom);

async function nodeWith(leases: readonly LeaseId[], jobId: JobId): Promise<NodeId> {
  const nodeId = newNodeId(systemRandom);
  await redis.hset(keys.node(nodeId), 'name', 'n');
  for (const lease of leases) await redis.hset(keys.nodeLeases(nodeId), lease, `${jobId} 0 1`);
  return nodeId;
}

function preemptOf(jobId: JobId, leases: readonly LeaseId[]): Preempt {
  return {
    id: systemRandom.uuid(),
    jobId,
    step: 0,
    studio: 'pixels',
    priorityClass: 'urgent',
    reason: 'class',
    victims: leases.map((leaseId) => ({
      leaseId,
      studio: 'pixels',
      priorityClass: 'background',
      grantedAtMs: 1,
      graceSeconds: 30,
    })),
    resources: { vcpus: 0.5, memoryMib: 0, scratchGib: 0, gpus: [] },
    backByMs: 1_700_000_000_001,
    keptUntilMs: 1_700_000_000_002,
  };
}

const stands = async (nodeId: NodeId) =>
  parsePreempts((await redis.hget(keys.node(nodeId), 'preempts')) ?? '');

it('marks a lease once, however many decide at once, and keeps what was decided', async () => {
  const jobId = newJobId(systemRandom);
  const [one, two] = [newLease(), newLease()];
  const nodeId = await nodeWith([one, two], jobId);
  const tries = Array.from({ length: 8 }, () => preemptOf(jobId, [one]));
  const marked = await Promise.all(tries.map((preempt) => store.mark(nodeId, preempt, [two])));
  expect(marked.filter(Boolean)).toHaveLength(1);
  const winner = tries.find((_, i) => marked[i]);
  expect(await stands(nodeId)).toEqual([winner]);
  const other = preemptOf(jobId, [two]);
  expect(await store.mark(nodeId, other, [one])).toBe(true);
  expect(await store.nodes()).toContain(nodeId);
  await store.end(nodeId, winner?.id ?? '');
  await store.end(nodeId, winner?.id ?? '');
  expect(await stands(nodeId)).toEqual([other]);
  await store.unlist(nodeId);
  expect(await store.nodes()).toContain(nodeId);
  await store.end(nodeId, other.id);
  await store.unlist(nodeId);
  expect(await store.nodes()).not.toContain(nodeId);
  const read = await new NodeStore(redis).read(nodeId, 1);
  expect(read?.preempting).toBeUndefined();
});

it('marks nothing where a lease has ended, or another has come, since the decision', async () => {
  const jobId = newJobId(systemRandom);
  const [one, two, fresh] = [newLease(), newLease(), newLease()];
  const nodeId = await nodeWith([one, fresh], jobId);
  expect(await store.mark(nodeId, preemptOf(jobId, [one]), [])).toBe(false);
  expect(await store.mark(nodeId, preemptOf(jobId, [one, two]), [fresh])).toBe(false);
  expect(await store.mark(newNodeId(systemRandom), preemptOf(jobId, [one]), [])).toBe(false);
  expect(await stands(nodeId)).toEqual([]);
  // One that has ended since, and was not to be, is no hindrance.
  expect(await store.mark(nodeId, preemptOf(jobId, [one]), [two, fresh])).toBe(true);
});

it('lets one decide at a time, and nobody end the turn of another', async () => {
  expect(await store.lock('a')).toBe(true);
  expect(await store.lock('b')).toBe(false);
  await store.unlock('b');
  expect(await store.lock('b')).toBe(false);
  await store.unlock('a');
  expect(await store.lock('b')).toBe(true);
});

it('takes a lease back without a fault when it was preempted, with one when its node was lost', async () => {
  const shape = { steps: [{ taskCount: 2, dependsOn: [] }], maxRetries: 0, maxFailed: 0 };
  const farm = await RealFarm.withJob(redis, shape);
  const { jobId, spans } = farm;
  await spans.createSpans(jobId, 0, 1, 2);
  const nodeId = newNodeId(systemRandom);
  const [first, second] = [newLease(), newLease()];
  const wanted = [
    { spanId: 1, leaseId: first },
    { spanId: 2, leaseId: second },
  ];
  await spans.grant(jobId, 0, nodeId, farm.nowMs(), wanted, 1);
  for (const { spanId, leaseId } of wanted) {
    const lease = { jobId, step: 0, spanId, leaseId };
    const record = JSON.stringify({ e: spanId, n: nodeId, o: 'lost', m: 'gone' });
    const back = await spans.expire(lease, farm.nowMs(), record, leaseId === second);
    expect(back).toMatchObject({ expired: true, requeued: true });
  }
  const failures = await redis.hgetall(keys.failures(jobId, 0));
  expect(Object.keys(failures).filter((field) => field.startsWith('0'))).toEqual([]);
  expect(failures['1:f']).toBe('1');
  const { steps } = await farm.read();
  expect(steps[0]?.record).toMatchObject({ waiting: 2, running: 0 });
  expect(steps[0]?.facts.map(({ attempt }) => attempt?.message)).toEqual(['gone', 'gone']);
});
