import { noTotals } from '@karst/orchestrator/domain/storage-totals.ts';
import { StorageUseStore } from '@karst/orchestrator/store/storage-use-store.ts';
import { studioIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { RedisProcess } from '../http/redis-process.ts';

const studio = studioIdSchema.parse('pixels');
const file = (digit: string, sizeBytes: number) => ({ sha256: digit.repeat(64), sizeBytes });

let server: RedisProcess;
let redis: Redis;
let store: StorageUseStore;
beforeAll(async () => {
  server = await RedisProcess.start();
  redis = server.client();
  store = new StorageUseStore(redis);
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
});

it('a count takes the place of what stood before it, and what changed meanwhile stays', async () => {
  await store.outputsAccepted(studio, [100, 50]);
  const count = await store.beginCount(studio, 'one');
  await store.outputsAccepted(studio, [7]);
  await store.takeOff(studio, { inputs: { bytes: 30, objects: 1 } });
  const found = noTotals();
  found.inputs = { bytes: 1000, objects: 10 };
  found.outputs = { bytes: 400, objects: 4 };
  expect(await store.endCount(studio, count, found, 5000)).toBe(true);
  expect(await store.read(studio)).toEqual({
    countedAtMs: 5000,
    totals: {
      inputs: { bytes: 970, objects: 9 },
      outputs: { bytes: 414, objects: 6 },
      other: { bytes: 0, objects: 0 },
    },
  });
  expect((await store.ofAll()).inputs.bytes).toBe(970);
});

it('a count that another overtook, or that Redis forgot, changes nothing', async () => {
  const first = await store.beginCount(studio, 'one');
  const second = await store.beginCount(studio, 'two');
  const found = { ...noTotals(), outputs: { bytes: 9, objects: 1 } };
  expect(await store.endCount(studio, first, found, 1)).toBe(false);
  await redis.flushall();
  expect(await store.endCount(studio, second, found, 1)).toBe(false);
  expect(await store.read(studio)).toEqual({ totals: noTotals() });
});

it('an input counts once, when a job is made with it, and only if it was missing', async () => {
  await store.offered(studio, [file('a', 5).sha256, file('b', 7).sha256]);
  await store.offered(studio, [file('a', 5).sha256]);
  await store.submitted(studio, [file('a', 5), file('a', 5), file('c', 100)]);
  await store.submitted(studio, [file('a', 5)]);
  expect((await store.read(studio)).totals.inputs).toEqual({ bytes: 5, objects: 1 });
  await store.takeOff(studio, { inputs: { bytes: 50, objects: 3 } });
  expect((await store.read(studio)).totals).toEqual(noTotals());
});
