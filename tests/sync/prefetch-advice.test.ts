import { type RunnableStep, RunnableSteps } from '@karst/orchestrator/dispatch/runnable-steps.ts';
import { unknownCapabilities } from '@karst/orchestrator/scheduler/node-capabilities.ts';
import { NodeView, Scheduler } from '@karst/orchestrator/scheduler/scheduler.ts';
import { Shares } from '@karst/orchestrator/scheduler/shares.ts';
import { PrefetchStore } from '@karst/orchestrator/store/prefetch-store.ts';
import { PrefetchAdvice } from '@karst/orchestrator/sync/prefetch-advice.ts';
import { newNodeId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ManualClock } from '../http/manual-clock.ts';
import { stepOf } from '../scheduler/steps.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

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

const runnable = (number: number, priority = 50): RunnableStep => ({
  ...stepOf(number, { priority }),
  counters: [],
  gang: undefined,
  meanTaskMs: undefined,
  onDemand: false,
  wanted: 0,
  buffered: 0,
  allFed: false,
  wakes: 0,
  inHand: 0,
  missed: false,
  isQuick: false,
  offerSpans: 1,
  leftAlone: new Map(),
  feeding: undefined,
});

/** Steps in the real ranking; how many tasks of each wait, and what a node ran last, the test says. */
function farm() {
  const clock = new ManualClock(1_000_000);
  const steps = new RunnableSteps(new Scheduler<RunnableStep>(new Shares(3_600_000, 0)));
  const waiting = new Map<string, number>();
  let last: RunnableStep | undefined;
  const store = new PrefetchStore(redis);
  const advice = new PrefetchAdvice({
    clock,
    prefetch: store,
    roster: { view: async (nodeId) => new NodeView(unknownCapabilities(nodeId), []) },
    jobs: {
      waitingTasks: async (jobId) => waiting.get(jobId) ?? 0,
    },
    dispatcher: {
      likelyNext(_, node, __, skip) {
        const step = steps.best(node, skip, last === undefined ? [] : [last]);
        return step && { step, isLast: step === last };
      },
      mayComeNext: (_, step) => steps.get(step.jobId, step.step) === step && step !== last,
    },
  });
  return {
    clock,
    steps,
    store,
    add(step: RunnableStep, tasks: number) {
      steps.add(step);
      waiting.set(step.jobId, tasks);
    },
    wait: (step: RunnableStep, tasks: number) => waiting.set(step.jobId, tasks),
    runs: (step: RunnableStep) => {
      last = step;
    },
    ask: async (nodeId = newNodeId(systemRandom)) => {
      clock.advance(3000);
      return await advice.ofBusy({ nodeId, revision: 1, warm: [] });
    },
    idle: (nodeId: Parameters<typeof advice.ofIdle>[0]) => advice.ofIdle(nodeId),
  };
}
const hintOf = ({ jobId, step }: RunnableStep) => ({ jobId, step });

it('tells what comes once nothing of what runs waits any more', async () => {
  const { add, ask, runs, wait, store, idle } = farm();
  const nodeId = newNodeId(systemRandom);
  const [running, next] = [runnable(1), runnable(2)];
  add(running, 1);
  add(next, 5);
  runs(running);
  expect(await ask(nodeId)).toBeUndefined();
  expect(await store.told(nodeId)).toBeUndefined();
  wait(running, 0);
  expect(await ask(nodeId)).toEqual([hintOf(next)]);
  expect(await store.told(nodeId)).toEqual(hintOf(next));
  expect(await ask(nodeId)).toBeUndefined();
  expect(await idle(nodeId)).toEqual([]);
  expect(await store.told(nodeId)).toBeUndefined();
});

it('stays with what it told for a minute, while that may come', async () => {
  const { add, ask, clock, steps } = farm();
  const nodeId = newNodeId(systemRandom);
  const [told, better] = [runnable(1), runnable(2, 90)];
  add(told, 5);
  expect(await ask(nodeId)).toEqual([hintOf(told)]);
  add(better, 5);
  expect(await ask(nodeId)).toBeUndefined();
  clock.advance(60_000);
  expect(await ask(nodeId)).toEqual([hintOf(better)]);
  steps.remove(better);
  expect(await ask(nodeId)).toEqual([hintOf(told)]);
  steps.remove(told);
  expect(await ask(nodeId)).toEqual([]);
});

it('tells no more nodes of a step than tasks of it wait', async () => {
  const { add, ask } = farm();
  const step = runnable(1);
  add(step, 2);
  const told = [await ask(), await ask(), await ask()];
  expect(told).toEqual([[hintOf(step)], [hintOf(step)], undefined]);
});
