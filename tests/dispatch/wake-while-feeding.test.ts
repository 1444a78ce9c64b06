import { createDispatch } from '@karst/orchestrator/dispatch/create-dispatch.ts';
import type { Dispatcher } from '@karst/orchestrator/dispatch/dispatcher.ts';
import { LeaseAccounts } from '@karst/orchestrator/dispatch/lease-accounts.ts';
import type { RunnableStep } from '@karst/orchestrator/dispatch/runnable-steps.ts';
import { UsageExchange } from '@karst/orchestrator/dispatch/usage-exchange.ts';
import { WakeBus } from '@karst/orchestrator/dispatch/wake-bus.ts';
import { JobEvents } from '@karst/orchestrator/jobs/job-events.ts';
import { createMetrics } from '@karst/orchestrator/metrics/metrics.ts';
import { SpanQueue } from '@karst/orchestrator/queue/span-queue.ts';
import { unknownCapabilities } from '@karst/orchestrator/scheduler/node-capabilities.ts';
import { NodeView, Scheduler } from '@karst/orchestrator/scheduler/scheduler.ts';
import { Shares } from '@karst/orchestrator/scheduler/shares.ts';
import { FarmSettings } from '@karst/orchestrator/settings/farm-settings.ts';
import { JobStore } from '@karst/orchestrator/store/job-store.ts';
import { keys } from '@karst/orchestrator/store/keys.ts';
import { Ledger } from '@karst/orchestrator/store/ledger.ts';
import { NodeStore } from '@karst/orchestrator/store/node-store.ts';
import { PreemptStore } from '@karst/orchestrator/store/preempt-store.ts';
import { SpanStore } from '@karst/orchestrator/store/span-store.ts';
import { UsageStore } from '@karst/orchestrator/store/usage-store.ts';
import { systemClock } from '@karst/shared/clock.ts';
import { type JobId, newNodeId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RealFarm } from '../store/support/real-farm.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const slots = 4096;
const ask = {
  nodeId: newNodeId(systemRandom),
  bootId: systemRandom.uuid(),
  seq: 1,
  wanted: 64,
  kept: [],
  node: new NodeView(unknownCapabilities('n'), []),
};
let server: TestRedis;
let redis: Redis;
let queue: SpanQueue;
let dispatcher: Dispatcher;

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url, { maxRetriesPerRequest: null });
  const logger = pino({ level: 'silent' });
  queue = new SpanQueue(redis, systemClock, logger);
  const jobs = new JobStore(redis);
  const nodes = new NodeStore(redis);
  const clock = systemClock;
  const ledger = new Ledger(redis);
  const bus = new WakeBus(redis, redis, 'replica', logger);
  const scheduler = new Scheduler<RunnableStep>(new Shares(3_600_000, clock.nowMs()));
  const around = { nodes, ledger, bus, scheduler, clock, logger };
  const usage = new UsageExchange({ ...around, usage: new UsageStore(redis, 3_600_000) });
  dispatcher = createDispatch({
    ...around,
    usage,
    accounts: new LeaseAccounts({ ...around, usage }),
    settings: new FarmSettings(redis),
    jobs,
    queue,
    spans: new SpanStore(redis),
    events: new JobEvents(jobs, { publish: () => undefined }),
    metrics: createMetrics({ version: 'test', logger, collect: async () => ({ redisUp: true }) }),
    random: systemRandom,
    slots: () => slots,
    suitable: () => 1,
    preempts: new PreemptStore(redis),
    waits: () => undefined,
    spanLimits: { targetMs: 1000, tasksMax: 100 },
  });
  await redis.hset(keys.node(ask.nodeId), 'name', 'n');
  const call = { ...ask, bootedAtMs: 1, slots, message: '', inventory: '', held: [] };
  await nodes.sync(call, 1, Number.MAX_SAFE_INTEGER);
});
afterAll(async () => {
  await queue.close();
  redis.disconnect();
  await server.stop();
});

/** Wakes the job's step once, after as many round trips to Redis. */
async function wakeAfter(jobId: JobId, roundTrips: number): Promise<void> {
  for (let n = 0; n < roundTrips; n++) await redis.ping();
  await dispatcher.wakeStep(jobId, 0);
}

// A step woken while its spans were being fed once kept the finished feed: grants then looked for
// spans of it for ever, and the node's call was never answered.
it.each([
  ['spans made ahead', false],
  ['chunks made when asked for', true],
])(
  'comes to an end with a step that is woken while it is fed: %s',
  async (_title, isChunked) => {
    for (let round = 0; round < 20; round++) {
      const steps = [{ taskCount: 30, dependsOn: [], isChunked }];
      const { jobId } = await RealFarm.withJob(redis, { steps, maxRetries: 0, maxFailed: 0 });
      await dispatcher.wakeStep(jobId, 0);
      const [first] = await Promise.all([dispatcher.grantNow(ask), wakeAfter(jobId, round % 10)]);
      const rest = await dispatcher.grantNow(ask);
      expect(first.grants.length + rest.grants.length).toBe(30);
      expect((await dispatcher.grantNow(ask)).grants).toEqual([]);
    }
  },
  30_000,
);
