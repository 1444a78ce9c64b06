import type { Dispatcher } from '@karst/orchestrator/dispatch/dispatcher.ts';
import { unknownCapabilities } from '@karst/orchestrator/scheduler/node-capabilities.ts';
import { NodeView } from '@karst/orchestrator/scheduler/scheduler.ts';
import { keys } from '@karst/orchestrator/store/keys.ts';
import { type JobId, newNodeId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RealFarm } from '../store/support/real-farm.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { type Replica, startReplica } from './support/replica.ts';

const slots = 4096;
const ask = {
  nodeId: newNodeId(systemRandom),
  bootId: systemRandom.uuid(),
  seq: 1,
  wanted: 64,
  warm: [],
  kept: [],
  node: new NodeView(unknownCapabilities('n'), []),
};
let server: TestRedis;
let redis: Redis;
let replica: Replica;
let dispatcher: Dispatcher;

beforeAll(async () => {
  server = await startRedis();
  replica = await startReplica(server.url, { slots });
  ({ redis, dispatcher } = replica);
  await redis.hset(keys.node(ask.nodeId), 'name', 'n');
  const call = { ...ask, bootedAtMs: 1, slots, message: '', inventory: '', held: [] };
  await replica.nodes.sync(call, 1, Number.MAX_SAFE_INTEGER);
});
afterAll(async () => {
  await replica.stop();
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

// A feed that has seen the step's end must not take it for fed when there is more by then.
it.each([
  ['spans made ahead', false],
  ['chunks made when asked for', true],
])(
  'grants tasks that are added while a step is fed: %s',
  async (_title, isChunked) => {
    for (let round = 0; round < 30; round++) {
      const steps = [{ taskCount: 5, dependsOn: [], isChunked }];
      const real = await RealFarm.withJob(redis, { steps, maxRetries: 0, maxFailed: 0 });
      await dispatcher.wakeStep(real.jobId, 0);
      const add = async () => {
        for (let n = 0; n < round % 15; n++) await redis.ping();
        await real.extend(0, 5, false);
        await dispatcher.wakeStep(real.jobId, 0);
      };
      const [first] = await Promise.all([dispatcher.grantNow(ask), add()]);
      const rest = await dispatcher.grantNow(ask);
      const tasks = [...first.grants, ...rest.grants].map((grant) => grant.last - grant.first + 1);
      expect(tasks.reduce((sum, count) => sum + count, 0)).toBe(10);
    }
  },
  30_000,
);
