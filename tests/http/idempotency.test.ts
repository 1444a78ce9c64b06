import { bodyHash, withIdempotency } from '@karst/orchestrator/http/idempotency.ts';
import { newJobId, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RedisProcess } from './redis-process.ts';

let redisProcess: RedisProcess;
let redis: Redis;
beforeAll(async () => {
  redisProcess = await RedisProcess.start();
  redis = redisProcess.client();
});
afterAll(() => redisProcess.stop());

const submit = (key: string, body: unknown, studio = 'pixels', ttlMs = 60_000) =>
  withIdempotency(
    redis,
    { studio: studioIdSchema.parse(studio), key, bodyHash: bodyHash(body), ttlMs },
    () => newJobId(systemRandom),
  );

it('gives the same job to twenty calls at once, and one of them makes it', async () => {
  const calls = await Promise.all(Array.from({ length: 20 }, () => submit('race', { a: 1 })));
  expect(new Set(calls.map((call) => call.jobId)).size).toBe(1);
  expect(calls.filter((call) => !call.repeated)).toHaveLength(1);
});

it('refuses a key that was used for another body', async () => {
  await submit('other', { a: 1 });
  await expect(submit('other', { a: 2 })).rejects.toMatchObject({ code: 'idempotency_key_reused' });
});

it('keeps the keys of two studios apart', async () => {
  const one = await submit('shared', { a: 1 }, 'pixels');
  const other = await submit('shared', { a: 2 }, 'frames');
  expect(other).toMatchObject({ repeated: false });
  expect(other.jobId).not.toBe(one.jobId);
});

it('forgets a key after its time', async () => {
  const first = await submit('short', { a: 1 }, 'pixels', 1);
  let again = await submit('short', { a: 1 });
  while (again.repeated) again = await submit('short', { a: 1 });
  expect(again.jobId).not.toBe(first.jobId);
});
