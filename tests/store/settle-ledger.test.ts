import { settleLedgerPass } from '@karst/orchestrator/background/settle-ledger.ts';
import type { RunnableStep } from '@karst/orchestrator/dispatch/runnable-steps.ts';
import { runnableStep, stepFacts } from '@karst/orchestrator/dispatch/step-facts.ts';
import { counterNames } from '@karst/orchestrator/scheduler/counters.ts';
import { keys } from '@karst/orchestrator/store/keys.ts';
import { type LeaseId, type NodeId, newLeaseId, newNodeId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type Replica, startReplica } from '../dispatch/support/replica.ts';
import { eventually } from '../support/eventually.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { RealFarm } from './support/real-farm.ts';

const licence = counterNames.limit('licence');
const bootId = systemRandom.uuid();
let server: TestRedis;
let one: Replica;
let two: Replica;
let step: RunnableStep;
let nodeId: NodeId;

beforeAll(async () => {
  server = await startRedis();
  [one, two] = await Promise.all([startReplica(server.url), startReplica(server.url)]);
});
afterAll(async () => {
  await Promise.all([one.stop(), two.stop()]);
  await server.stop();
});

/** An empty farm with one node, and a step whose tasks take a licence each. */
beforeEach(async () => {
  await one.redis.flushall();
  for (const { accounts, scheduler } of [one, two]) accounts.open(scheduler.ranking.closedGates());
  const shape = { steps: [{ taskCount: 9, dependsOn: [] }], maxRetries: 0, maxFailed: 0 };
  const farm = await RealFarm.withJob(one.redis, shape);
  const job = await one.jobs.read(farm.jobId);
  if (job === undefined) throw new Error('the job is gone');
  const limited = { ...job, policy: { ...job.policy, limits: ['licence'] } };
  step = runnableStep(
    job,
    0,
    {},
    stepFacts(limited, { name: 'A' }, () => false),
  );
  nodeId = newNodeId(systemRandom);
  await one.redis.hset(keys.node(nodeId), 'name', 'n');
  const call = { nodeId, bootId, seq: 1, bootedAtMs: 1, message: '', inventory: '', held: [] };
  await one.nodes.sync({ ...call, slots: 1000 }, 1, Number.MAX_SAFE_INTEGER);
});

const passOf = (replica: Replica) => settleLedgerPass({ ...replica, periodMs: 1000 });
const inUse = async () => (await one.ledger.counts([licence]))[0];
const limitTo = (max: number) => one.ledger.setCeilings(new Map([[licence, max]]));
const newLeases = (count: number) => Array.from({ length: count }, () => newLeaseId(systemRandom));

/** What a process does first; one that dies after it leaves leases on no node's list. */
async function count(replica: Replica, leaseIds: readonly LeaseId[]): Promise<number> {
  return (await replica.accounts.acquire(nodeId, step, leaseIds)).count;
}

const list = (replica: Replica, leaseIds: readonly LeaseId[]) =>
  replica.nodes.claim(
    nodeId,
    bootId,
    1,
    leaseIds.map((leaseId) => ({ leaseId, jobId: step.jobId, step: 0, spanId: 1 })),
  );

async function hold(replica: Replica, leaseIds: readonly LeaseId[]): Promise<void> {
  await Promise.all([count(replica, leaseIds), list(replica, leaseIds)]);
}

/** Word of the other replica's charges may come between a pass and the look: the next pass mends it. */
const sharesAgree = (replica: Replica, running: number) =>
  eventually(`${running} leases of the studio`, async () => {
    await passOf(replica).runOnce();
    return replica.scheduler.shares.account(step.studio).running === running;
  });

it('ends at the second look what a process counted and died before it was listed', async () => {
  const pass = passOf(two);
  await limitTo(2);
  expect(await count(one, newLeases(2))).toBe(2);
  // The other replica finds the limit full, and keeps its steps out of sight.
  expect(await count(two, newLeases(1))).toBe(0);
  expect(two.scheduler.ranking.closedGates()).toEqual([licence]);
  await pass.runOnce();
  expect(await inUse()).toBe(2);
  await pass.runOnce();
  expect(await inUse()).toBe(0);
  expect(two.scheduler.ranking.closedGates()).toEqual([]);
  expect(await count(two, newLeases(2))).toBe(2);
});

it('ends what a process took off the node’s list, and died before it was no longer counted', async () => {
  const [pass, leaseIds] = [passOf(two), newLeases(3)];
  await hold(one, leaseIds);
  await one.nodes.release(nodeId, leaseIds.slice(0, 2));
  await pass.runOnce();
  await pass.runOnce();
  expect(await inUse()).toBe(1);
  expect(await one.redis.hkeys(keys.ledgerLeases())).toEqual(leaseIds.slice(2));
});

it('leaves a lease alone that came onto a list between two looks, and later ones too', async () => {
  const [pass, leaseIds] = [passOf(two), newLeases(1)];
  await count(one, leaseIds);
  await pass.runOnce();
  await list(one, leaseIds);
  for (let look = 0; look < 3; look++) await pass.runOnce();
  expect(await inUse()).toBe(1);
  // Seen unlisted long ago does not make it suspect now.
  await one.nodes.release(nodeId, leaseIds);
  await pass.runOnce();
  expect(await inUse()).toBe(1);
  await pass.runOnce();
  expect(await inUse()).toBe(0);
});

it('opens a counter whose word of room was lost, and counts again what shares hold', async () => {
  const [pass, leaseIds] = [passOf(two), newLeases(1)];
  await limitTo(1);
  await hold(one, leaseIds);
  expect(await count(two, newLeases(1))).toBe(0);
  // The process that released died before it told anybody.
  await one.nodes.release(nodeId, leaseIds);
  await one.ledger.release(leaseIds);
  expect(two.scheduler.ranking.closedGates()).toEqual([licence]);
  two.scheduler.shares.account(step.studio).running = 7;
  await pass.runOnce();
  expect(two.scheduler.ranking.closedGates()).toEqual([]);
  await sharesAgree(two, 0);
});

it('races with grants, releases and itself on two replicas: what lives counts, and once', async () => {
  const passes = [passOf(one), passOf(two)];
  const live = new Set<LeaseId>();
  const isCounted = async () => {
    const counted = new Set(await one.redis.hkeys(keys.ledgerLeases()));
    expect([...live].filter((id) => !counted.has(id))).toEqual([]);
    expect(await inUse()).toBe(counted.size);
  };
  for (let round = 0; round < 40; round++) {
    const started = newLeases(6);
    const ended = [...live].filter((_, i) => i % 2 === round % 2);
    for (const id of ended) live.delete(id);
    await Promise.all([
      ...passes.map((pass) => pass.runOnce()),
      hold(round % 2 === 0 ? one : two, started),
      // Some are released twice at once, as by an expiry beside a report; some halfway only.
      one.accounts.release(nodeId, ended.slice(1)),
      two.accounts.release(nodeId, ended.slice(2)),
      one.nodes.release(nodeId, ended.slice(0, 1)),
      count(two, newLeases(1)),
    ]);
    for (const id of started) live.add(id);
    await isCounted();
  }
  for (const pass of [...passes, ...passes]) await pass.runOnce();
  await isCounted();
  expect(await inUse()).toBe(live.size);
  await sharesAgree(one, live.size);
  await eventually('no node left counted', async () => {
    await one.accounts.release(nodeId, [...live]);
    return (await one.redis.hlen(keys.ledgerHosts())) === 0 && (await inUse()) === 0;
  });
});
