import { pageOf } from '@karst/orchestrator/history/page-name.ts';
import type { ObjectStore } from '@karst/orchestrator/objects/store.ts';
import { keys } from '@karst/orchestrator/store/keys.ts';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { startObjectStorage, type TestStorage } from '../support/storage.ts';
import { type Outcome, objectsOf, PagingFarm } from './support/paging-farm.ts';

let server: TestRedis;
let storage: TestStorage;
let redis: Redis;
let objects: ObjectStore;
beforeAll(async () => {
  [server, storage] = await Promise.all([startRedis(), startObjectStorage()]);
  redis = new Redis(server.url);
  objects = objectsOf(storage);
  await objects.ensureBucket();
});
afterAll(async () => {
  redis.disconnect();
  objects.close();
  await Promise.all([server.stop(), storage.stop()]);
});

const TASKS = 2300;

/** A job with 2,300 tasks that have all ended, a tenth each way. */
async function endedJob(outcome: (task: number) => Outcome): Promise<PagingFarm> {
  const farm = await PagingFarm.make(redis, objects, TASKS);
  await farm.feed(100, 99);
  // Failed tasks are tried twice.
  await farm.runQueued(outcome);
  await farm.runQueued(outcome);
  return farm;
}

const mixed = (task: number): Outcome => (['b', 'l', 'o', 't', 'b'] as const)[task % 5] ?? 'b';

it('what is paged out reads as before, and has left Redis', async () => {
  const farm = await endedJob(mixed);
  const before = await farm.read();
  expect(before.outputs).toHaveLength((2 * TASKS) / 5);
  expect(await farm.left()).toBeGreaterThan(TASKS);
  await farm.pageOut();
  expect(await farm.left()).toBe(0);
  expect(await farm.read()).toEqual(before);
  expect(await redis.sismember(keys.unpagedJobs(), farm.farm.jobId)).toBe(0);
});

it('long runs of bare successes stay: they cost next to nothing', async () => {
  const farm = await endedJob(() => 'b');
  const before = await farm.read();
  await farm.pageOut();
  expect(await redis.hlen(keys.pages(farm.farm.jobId, 0))).toBe(0);
  expect(await farm.read()).toEqual(before);
});

it('a process that dies between writing a page and taking it out of Redis loses nothing', async () => {
  const farm = await endedJob(mixed);
  const before = await farm.read();
  const left = await farm.left();
  const died = farm.pageOut(() => Promise.reject(new Error('died')));
  await expect(died).rejects.toThrow('died');
  expect(await farm.left()).toBeGreaterThanOrEqual(left);
  expect(await farm.read()).toEqual(before);
  await farm.pageOut();
  expect(await farm.left()).toBe(0);
  expect(await farm.read()).toEqual(before);
});

it('a task that is requeued while its page is written stays in Redis', async () => {
  const farm = await endedJob(() => 'o');
  const { control, jobId } = farm.farm;
  let hasRequeued = false;
  await farm.pageOut(async (key) => {
    // Of the task's own page: which of them is written first is not said.
    if (hasRequeued || !key.includes(`/history/0/${pageOf(1500)}.`)) return;
    hasRequeued = true;
    await control.requeueTask(jobId, 0, 1500, farm.farm.nowMs());
  });
  const { facts, outputs } = await farm.read();
  expect(facts[1500]).toMatchObject({
    state: 'waiting',
    outputs: undefined,
    attempt: { exitCode: 0 },
  });
  expect(outputs).toHaveLength(2 * TASKS - 2);
  await farm.runQueued(() => 'b');
  await farm.pageOut();
  // The page was paged out at once, but for the few details of this task: they stay.
  expect(await farm.left()).toBe(3);
  expect((await farm.outputs()).length).toBe(2 * TASKS - 2);
});

it.each(['after', 'while'])(
  'tasks that are added %s the last page is written are paged out too',
  async (when) => {
    const farm = await endedJob((task) => (task % 2 === 0 ? 'o' : 'l'));
    let isAdded = false;
    // Pages are written side by side: it is called once for each.
    const add = async () => {
      if (isAdded) return;
      isAdded = true;
      await farm.addTasks(900);
    };
    if (when === 'while') await farm.pageOut(add);
    else await farm.pageOut();
    await add();
    await farm.pageOut();
    // Half a page of a step that runs again stays until there is more to be paged out.
    const waiting = await farm.read();
    expect(waiting.outputs).toHaveLength(TASKS);
    expect(waiting.facts.at(-1)).toMatchObject({ state: 'waiting', outputs: undefined });
    await farm.feed(100, 99);
    await farm.runQueued(() => 'o');
    const before = await farm.read();
    expect(before.outputs).toHaveLength(TASKS + 2 * 900);
    expect(await farm.left()).toBeGreaterThan(2 * 900 - 1);
    await farm.pageOut();
    expect(await farm.left()).toBe(0);
    expect(await farm.read()).toEqual(before);
  },
);

it('two replicas at the same page: one takes it out, the other has written in vain', async () => {
  const farm = await endedJob(mixed);
  const before = await farm.read();
  let isFirst = true;
  await farm.pageOut(async () => {
    if (!isFirst) return;
    isFirst = false;
    // The lock is held up: a second replica pages everything out meanwhile.
    await redis.del(keys.pageOutLock(farm.farm.jobId));
    await farm.pageOut();
  });
  expect(await farm.left()).toBe(0);
  expect(await farm.read()).toEqual(before);
  const { items } = await objects.list(`studios/pixels/jobs/${farm.farm.jobId}/history/`);
  expect(items).toHaveLength(3);
});

it('a requeued task that was paged out has its new attempt and its new outputs alone', async () => {
  const farm = await endedJob(() => 'o');
  await farm.pageOut();
  const { control, jobId } = farm.farm;
  const again: Record<number, Outcome> = { 7: 'o', 8: 'b', 9: 'l', 1200: 't' };
  for (const task of Object.keys(again).map(Number)) {
    await control.requeueTask(jobId, 0, task, farm.farm.nowMs());
  }
  const waiting = await farm.read();
  expect(waiting.outputs).toHaveLength(2 * TASKS - 8);
  expect(waiting.facts[7]).toMatchObject({ state: 'waiting', failures: 0, outputs: undefined });
  const outcome = (task: number) => again[task] ?? 'b';
  await farm.runQueued(outcome);
  await farm.runQueued(outcome);
  const before = await farm.read();
  expect(before.outputs).toHaveLength(2 * TASKS - 6);
  expect(before.facts[1200]).toMatchObject({ state: 'failed', failures: 2, outputs: undefined });
  await farm.pageOut();
  // A few details are not worth a new page; they win over the old one.
  expect(await farm.left()).toBe(10);
  expect(await farm.read()).toEqual(before);
});

const outcomes = fc.array(fc.constantFrom<Outcome>('b', 'b', 'b', 'l', 'o', 't'), {
  minLength: 3,
  maxLength: 40,
});
const round = fc.record({
  size: fc.constantFrom(1, 3, 50, 500),
  count: fc.integer({ min: 1, max: 700 }),
  outcomes,
  requeue: fc.array(fc.nat(TASKS - 1), { maxLength: 5 }),
  retry: fc.boolean(),
});

it('whatever runs, fails, is requeued or retried in between: paging out changes nothing one can read', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 4 }), async (rounds) => {
      const farm = await PagingFarm.make(redis, objects, TASKS);
      const { control, jobId } = farm.farm;
      for (const { size, count, outcomes: list, requeue, retry } of rounds) {
        const outcome = (task: number) => list[task % list.length] ?? 'b';
        await farm.feed(size, count);
        await farm.runQueued(outcome);
        await farm.runQueued(outcome);
        const before = await farm.read();
        await farm.pageOut();
        expect(await farm.read()).toEqual(before);
        for (const task of requeue) await control.requeueTask(jobId, 0, task, farm.farm.nowMs());
        if (retry) await control.retryStep(jobId, 0, farm.farm.nowMs(), 100);
        const reopened = await farm.read();
        const open = reopened.facts.filter(({ state }) => state === 'waiting');
        expect(open.filter(({ outputs }) => outputs !== undefined)).toEqual([]);
        expect(open.filter(({ failures }) => failures > 0)).toEqual([]);
      }
    }),
    { numRuns: 8 },
  );
}, 240_000);
