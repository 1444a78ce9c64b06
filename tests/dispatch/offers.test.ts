import type { Ask } from '@karst/orchestrator/dispatch/waiters.ts';
import { unknownCapabilities } from '@karst/orchestrator/scheduler/node-capabilities.ts';
import { NodeView } from '@karst/orchestrator/scheduler/scheduler.ts';
import { keys } from '@karst/orchestrator/store/keys.ts';
import { SpanStore } from '@karst/orchestrator/store/span-store.ts';
import { type JobId, newNodeId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { RealFarm } from '../store/support/real-farm.ts';
import { eventually } from '../support/eventually.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { type Replica, startReplica } from './support/replica.ts';

const slots = 4096;
let server: TestRedis;
const replicas: Replica[] = [];

beforeEach(async () => {
  server = await startRedis();
  for (let n = 0; n < 2; n++) {
    replicas.push(await startReplica(server.url, { slots, tasksMax: 1 }));
  }
});
afterEach(async () => {
  for (const replica of replicas.splice(0)) await replica.stop();
  await server.stop();
});

/** A node with room for `wanted` spans, known to the farm. */
async function nodeWith({ redis, nodes }: Replica, wanted: number): Promise<Ask> {
  const nodeId = newNodeId(systemRandom);
  const node = new NodeView(unknownCapabilities('n'), []);
  const ask = { nodeId, bootId: systemRandom.uuid(), seq: 1, wanted, warm: [], kept: [], node };
  await redis.hset(keys.node(nodeId), 'name', 'n');
  const call = { ...ask, bootedAtMs: 1, slots, message: '', inventory: '', held: [] };
  await nodes.sync(call, 1, Number.MAX_SAFE_INTEGER);
  return ask;
}

/** A job of one step whose tasks have been measured to take `taskMs`. */
async function job({ redis }: Replica, taskCount: number, taskMs: number): Promise<JobId> {
  const steps = [{ taskCount, dependsOn: [] }];
  const { jobId } = await RealFarm.withJob(redis, { steps, maxRetries: 0, maxFailed: 0 });
  await redis.hset(keys.step(jobId, 0), { run_tasks: 10, run_ms: 10 * taskMs });
  return jobId;
}

const first = (): Replica => {
  const [replica] = replicas;
  if (replica === undefined) throw new Error('no replica');
  return replica;
};

/** Spans an offer, on average, after a node with room for eight has asked for a while. */
async function offersOfEight(taskMs: number): Promise<number> {
  const { dispatcher, queue, redis } = first();
  const jobId = await job(first(), 20_000, taskMs);
  await dispatcher.wakeStep(jobId, 0);
  const ask = await nodeWith(first(), 8);
  for (let n = 0; n < 200; n++) {
    expect((await dispatcher.grantNow(ask)).grants).toHaveLength(8);
  }
  const waiting = (await queue.look({ jobId, step: 0 })).ready.size;
  const jobs = await redis.llen(`karst:{${jobId}}:queue:0:wait`);
  return waiting / jobs;
}

it('offers short spans as many at once as nodes take', async () => {
  expect(await offersOfEight(5)).toBeGreaterThan(7);
}, 30_000);

it('offers long spans one at a time, whatever nodes take', async () => {
  expect(await offersOfEight(60_000)).toBe(1);
}, 30_000);

// The waits are longer than the test: nothing but a wake-up ends them in time.
it.each(['the same replica', 'another replica'])(
  'tells a node on %s, which found nothing while an offer was in hand, of what is left over',
  async (where) => {
    const [holder, other = holder] = replicas;
    if (holder === undefined || other === undefined) throw new Error('no replica');
    const seeker = where === 'another replica' ? other : holder;
    const jobId = await job(holder, 8, 1);
    const step = { jobId, step: 0 };
    const { spanIds } = await new SpanStore(holder.redis).createSpans(jobId, 0, 1, 8);
    await holder.queue.add(step, spanIds, { offerSpans: 8 });
    const small = await nodeWith(holder, 3);
    const large = await nodeWith(seeker, 8);
    for (const { dispatcher } of replicas) await dispatcher.wakeStep(jobId, 0);
    const gate = Promise.withResolvers<void>();
    const claim = holder.nodes.claim.bind(holder.nodes);
    vi.spyOn(holder.nodes, 'claim').mockImplementationOnce(async (...args) => {
      await gate.promise;
      return await claim(...args);
    });
    const granted = holder.dispatcher.grantNow(small);
    const isEmpty = async () => (await holder.queue.look(step)).ready.size === 0 || undefined;
    await eventually('the offer in hand', isEmpty);
    expect((await seeker.dispatcher.grantNow(large)).grants).toEqual([]);
    const waited = seeker.dispatcher.wait(large, 60_000, () => undefined);
    gate.resolve();
    expect((await granted).grants.map((grant) => grant.first)).toEqual([0, 1, 2]);
    expect((await waited).grants.map((grant) => grant.first)).toEqual([3, 4, 5, 6, 7]);
  },
  15_000,
);

it('grants every task once, though nodes of all sizes on two replicas take from the same offers', async () => {
  const taskCount = 6000;
  const jobId = await job(first(), taskCount, 1);
  const granted = new Set<number>();
  const recalls = new Set<() => void>();
  const lane = async ({ dispatcher }: Replica, ask: Ask) => {
    while (granted.size < taskCount) {
      const now = await dispatcher.grantNow(ask);
      const { grants } =
        now.grants.length > 0
          ? now
          : await dispatcher.wait(ask, 60_000, (recall) => {
              recalls.add(recall);
              if (granted.size === taskCount) recall();
            });
      for (const grant of grants) {
        expect(grant.first).toBe(grant.last);
        expect(granted.has(grant.first)).toBe(false);
        granted.add(grant.first);
      }
    }
    for (const recall of recalls) recall();
  };
  const lanes: Promise<void>[] = [];
  for (const replica of replicas) {
    await replica.dispatcher.wakeStep(jobId, 0);
    for (const wanted of [8, 8, 8, 3, 1]) {
      lanes.push(lane(replica, await nodeWith(replica, wanted)));
    }
  }
  await Promise.all(lanes);
  expect(granted.size).toBe(taskCount);
}, 15_000);
