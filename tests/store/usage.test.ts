import { keys } from '@karst/orchestrator/store/keys.ts';
import { UsageStore } from '@karst/orchestrator/store/usage-store.ts';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { RedisProcess } from '../http/redis-process.ts';

const HALF_LIFE_MS = 1000;
let server: RedisProcess;
let redis: Redis;
let store: UsageStore;
beforeAll(async () => {
  server = await RedisProcess.start();
  redis = server.client();
  store = new UsageStore(redis, HALF_LIFE_MS);
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  await redis.set(keys.farm(), 'stands');
});

const charge = (costs: Record<string, number>, nowMs: number) =>
  store.charge(new Map(Object.entries(costs)), nowMs);

it('forgets half of the usage every half-life, and nothing of what was spent', async () => {
  await charge({ acme: 100, 'acme/film': 100 }, 1000);
  await charge({ acme: 8 }, 2000);
  expect(await store.all()).toEqual([
    { account: 'acme', usage: 58, atMs: 2000 },
    { account: 'acme/film', usage: 100, atMs: 1000 },
  ]);
  expect(await store.spent()).toEqual(
    new Map([
      ['acme', 108],
      ['acme/film', 100],
    ]),
  );
});

it('adds up charges and corrections in whatever order they come', async () => {
  await charge({ acme: -55.5 }, 1000);
  await charge({ acme: 60 }, 1000);
  await charge({ acme: 1e-7 }, 1000);
  expect((await store.spent())?.get('acme')).toBeCloseTo(4.5000001, 9);
});

it('brings back what storage kept, once, under what was charged since', async () => {
  await charge({ acme: 100 }, 1000);
  const file = await store.toKeep();
  expect(file).toEqual({ accounts: { acme: { usage: 100, atMs: 1000, spent: 100 } } });
  if (file === undefined) throw new Error('nothing to keep');
  await redis.flushall();
  // A replica that ran on has charged already.
  await charge({ acme: 7 }, 5000);
  await store.restore(file);
  await store.restore(file);
  await redis.set(keys.farm(), 'stands');
  expect((await store.spent())?.get('acme')).toBe(107);
  // Its usage stands as it began anew.
  expect(await store.all()).toEqual([{ account: 'acme', usage: 7, atMs: 5000 }]);
});

it('tells nothing of a Redis that was emptied and not rebuilt', async () => {
  await charge({ acme: 100 }, 1000);
  await redis.flushall();
  await charge({ acme: 1 }, 2000);
  expect(await store.spent()).toBeUndefined();
  expect(await store.toKeep()).toBeUndefined();
});

it('counts charges, so that storage is written only after some', async () => {
  expect(await store.mirrorState()).toEqual({ changes: 0, kept: 0, keptAtMs: 0 });
  await charge({ acme: 1 }, 1000);
  await charge({ acme: 1, 'acme/film': 1 }, 1000);
  await store.noteKept(1, 1500);
  expect(await store.mirrorState()).toEqual({ changes: 2, kept: 1, keptAtMs: 1500 });
});
