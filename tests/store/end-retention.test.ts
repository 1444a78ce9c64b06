import { endRetentionPass } from '@karst/orchestrator/background/end-retention.ts';
import { objectKeys } from '@karst/orchestrator/objects/keys.ts';
import { FarmSettings } from '@karst/orchestrator/settings/farm-settings.ts';
import type { StorageSettings } from '@karst/shared/protocol/storage-settings.ts';
import { systemRandom } from '@karst/shared/random.ts';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { ManualClock } from '../http/manual-clock.ts';
import { RedisProcess } from '../http/redis-process.ts';
import { logger, startStorage } from '../http/test-farm.ts';
import { StoredJobs } from './support/stored-jobs.ts';

const DAY_MS = 86_400_000;

let server: RedisProcess;
let storage: Awaited<ReturnType<typeof startStorage>>;
let redis: Redis;
beforeAll(async () => {
  server = await RedisProcess.start();
  storage = await startStorage();
  redis = server.client();
});
afterAll(async () => {
  await storage.close();
  await server.stop();
});
beforeEach(async () => {
  await redis.flushall();
});

async function start(set: Record<string, StorageSettings>) {
  const clock = new ManualClock(1_800_000_000_000);
  const farm = new StoredJobs(redis, storage.objects);
  const settings = new FarmSettings(redis);
  for (const [name, value] of Object.entries(set)) {
    await settings.set({ kind: 'storage', name, value });
  }
  let nudges = 0;
  const pass = endRetentionPass({
    redis,
    settings,
    clock,
    logger,
    jobs: farm.jobs,
    deletions: farm.deletions,
    objects: storage.objects,
    random: systemRandom,
    periodMs: 1000,
    deleted: () => {
      nudges += 1;
    },
  });
  const left = async () => (await farm.jobs.list(farm.studio, 0, 1000)).map(({ id }) => id);
  return { clock, farm, pass, left, nudges: () => nudges };
}

it('deletes what ended longer ago than its project says, and nothing else', async () => {
  const { clock, farm, pass, left } = await start({
    pixels: { retentionDays: 30 },
    'pixels/short': { retentionDays: 2 },
    'pixels/kept': { retentionDays: null },
  });
  const now = clock.nowMs();
  const submit = async (project: string, endedDaysAgo?: number) => {
    const id = await farm.submit(now - 100 * DAY_MS, project);
    if (endedDaysAgo !== undefined) await farm.end(id, now - endedDaysAgo * DAY_MS);
    return id;
  };
  const kept = [
    await submit('film', 29),
    await submit('short', 1),
    await submit('kept', 99),
    await submit('film'),
    await submit('short'),
  ];
  const over = [await submit('film', 30), await submit('short', 2)];
  await pass.runOnce();
  expect(new Set(await left())).toEqual(new Set(kept));
  for (const id of over) {
    expect(await storage.objects.head(objectKeys.tombstone(id))).toBeDefined();
  }
  clock.advance(DAY_MS);
  await pass.runOnce();
  expect(new Set(await left())).toEqual(new Set(kept.slice(2)));
});

it('keeps everything where nothing is set', async () => {
  const { clock, farm, pass, left, nudges } = await start({ other: { retentionDays: 1 } });
  const id = await farm.submit(0);
  await farm.end(id, 0);
  clock.advance(10_000 * DAY_MS);
  await pass.runOnce();
  expect(await left()).toEqual([id]);
  expect(nudges()).toBe(0);
});

it('comes past jobs that are kept, however many, in several runs', async () => {
  const { clock, farm, pass, left } = await start({ 'pixels/short': { retentionDays: 1 } });
  const now = clock.nowMs();
  const ids = await Promise.all(
    Array.from({ length: 620 }, (_, i) =>
      farm.submit(now - 900 * DAY_MS + i, i % 100 === 99 ? 'short' : 'film'),
    ),
  );
  for (const id of ids) await farm.end(id, now - 2 * DAY_MS);
  await pass.runOnce();
  const after = (await left()).length;
  expect(after).toBeGreaterThan(614);
  await pass.runOnce();
  expect((await left()).length).toBe(614);
});
