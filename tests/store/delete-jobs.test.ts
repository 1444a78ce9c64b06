import { deleteJobsPass } from '@karst/orchestrator/background/delete-jobs.ts';
import { deleteJob } from '@karst/orchestrator/jobs/delete-job.ts';
import { objectKeys } from '@karst/orchestrator/objects/keys.ts';
import { SpanQueue } from '@karst/orchestrator/queue/span-queue.ts';
import { StorageUseStore } from '@karst/orchestrator/store/storage-use-store.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ManualClock } from '../http/manual-clock.ts';
import { RedisProcess } from '../http/redis-process.ts';
import { logger, startStorage } from '../http/test-farm.ts';
import { StoredJobs } from './support/stored-jobs.ts';

const HOUR_MS = 3_600_000;

let server: RedisProcess;
let storage: Awaited<ReturnType<typeof startStorage>>;
beforeAll(async () => {
  server = await RedisProcess.start();
  storage = await startStorage();
});
afterAll(async () => {
  await storage.close();
  await server.stop();
});

it('what a stranded upload still writes into a deleted job goes a day later, and then its tombstone', async () => {
  const redis = server.client();
  const { objects } = storage;
  const clock = new ManualClock(1_800_000_000_000);
  const queue = new SpanQueue(server.client(), clock, logger);
  const stored = new StoredJobs(redis, objects);
  const { deletions, studio } = stored;
  const storageUse = new StorageUseStore(redis);
  const pass = deleteJobsPass({
    redis,
    deletions,
    objects,
    queue,
    storageUse,
    clock,
    logger,
    random: systemRandom,
    again: () => undefined,
    periodMs: 1000,
  });
  const id = await stored.submit(clock.nowMs());
  await stored.end(id, clock.nowMs());
  expect(await deleteJob({ deletions, objects }, { id, studio, stepCount: 1 })).toBe(true);
  await pass.runOnce();
  const left = async () => (await objects.list(objectKeys.jobPrefix(studio, id))).items.length;
  expect(await left()).toBe(0);

  await objects.putText(objectKeys.attempt(studio, id, 0, 0, 1, 'late.exr'), 'late');
  clock.advance(20 * HOUR_MS);
  await pass.runOnce();
  expect(await left()).toBe(1);
  expect(await objects.head(objectKeys.tombstone(id))).toBeDefined();
  clock.advance(6 * HOUR_MS);
  await pass.runOnce();
  expect(await left()).toBe(0);
  expect(await objects.head(objectKeys.tombstone(id))).toBeUndefined();
  expect(await deletions.listed()).toEqual([]);
  await queue.close();
});
