import { SpanQueue } from '@karst/orchestrator/queue/span-queue.ts';
import { systemClock } from '@karst/shared/clock.ts';
import { newJobId, newLeaseId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

let server: TestRedis;
let redis: Redis;
let queue: SpanQueue;

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url, { maxRetriesPerRequest: null });
  queue = new SpanQueue(redis, systemClock, pino({ level: 'silent' }));
});
afterAll(async () => {
  await queue.close();
  redis.disconnect();
  await server.stop();
});

const lease = () => newLeaseId(systemRandom);
const freshStep = () => ({ jobId: newJobId(systemRandom), step: 0 });

describe('a step’s queue', () => {
  it('hands out spans first in, first out, and nothing when empty', async () => {
    const step = freshStep();
    await queue.add(step, [1, 2]);
    expect(await queue.take(step, lease())).toBe(1);
    expect(await queue.take(step, lease())).toBe(2);
    expect(await queue.take(step, lease())).toBeUndefined();
  });

  it('holds a span once, however often it is added', async () => {
    const step = freshStep();
    await queue.add(step, [1, 2]);
    await queue.add(step, [1, 2, 3]);
    const taken = [1, 2, 3, 4].map(() => queue.take(step, lease()));
    expect(await Promise.all(taken)).toEqual([1, 2, 3, undefined]);
  });

  it('takes a span back first in line', async () => {
    const step = freshStep();
    await queue.add(step, [1, 2]);
    const first = lease();
    await queue.take(step, first);
    await queue.putBack({ ...step, spanId: 1 }, first);
    expect(await queue.take(step, lease())).toBe(1);
  });

  it('puts a span back even when its copy is gone', async () => {
    const step = freshStep();
    await queue.putBack({ ...step, spanId: 7 }, lease());
    expect(await queue.take(step, lease())).toBe(7);
  });

  it('finishing is harmless when repeated, and lets the span be queued again', async () => {
    const step = freshStep();
    await queue.add(step, [1]);
    const first = lease();
    await queue.take(step, first);
    await queue.finish({ ...step, spanId: 1 }, first);
    await queue.finish({ ...step, spanId: 1 }, first);
    expect(await queue.state({ ...step, spanId: 1 })).toBe('unknown');
    await queue.add(step, [1]);
    expect(await queue.take(step, lease())).toBe(1);
  });

  it('a finish under another lease leaves a span that runs alone', async () => {
    const step = freshStep();
    await queue.add(step, [1]);
    const holder = lease();
    await queue.take(step, holder);
    await queue.finish({ ...step, spanId: 1 }, lease());
    expect(await queue.state({ ...step, spanId: 1 })).toBe('active');
    await queue.putBack({ ...step, spanId: 1 }, holder);
    expect(await queue.take(step, lease())).toBe(1);
  });

  it('drops a span that waits, delayed or not, and leaves one alone that was taken', async () => {
    const step = freshStep();
    await queue.add(step, [1, 2]);
    await queue.add(step, [3], 3_600_000);
    const taken = lease();
    expect(await queue.take(step, taken)).toBe(1);
    for (const spanId of [1, 2, 3, 4]) await queue.drop({ ...step, spanId });
    expect(await queue.waitingCount(step)).toBe(0);
    expect(await queue.state({ ...step, spanId: 1 })).toBe('active');
    await queue.finish({ ...step, spanId: 1 }, taken);
    expect(await queue.state({ ...step, spanId: 1 })).toBe('unknown');
  });

  it('frees a span that a process which died had taken', async () => {
    const step = freshStep();
    await queue.add(step, [1]);
    await queue.take(step, lease());
    await queue.free({ ...step, spanId: 1 });
    expect(await queue.take(step, lease())).toBe(1);
  });

  it('holds a delayed span back until it is due', async () => {
    const step = freshStep();
    await queue.add(step, [1], 150);
    expect(await queue.take(step, lease())).toBeUndefined();
    expect(await eventually('the span', () => queue.take(step, lease()))).toBe(1);
  });

  it('leaves nothing in Redis when it is removed, taken spans included', async () => {
    const step = freshStep();
    await queue.prepare(step);
    await queue.add(step, [1, 2, 3]);
    await queue.take(step, lease());
    await queue.remove(step);
    expect(await redis.keys(`*${step.jobId}*`)).toEqual([]);
  });

  it('gives each span to one taker only, however many take at once', async () => {
    const step = freshStep();
    const spans = Array.from({ length: 200 }, (_, i) => i + 1);
    await queue.add(step, spans);
    const taken = await Promise.all(Array.from({ length: 250 }, () => queue.take(step, lease())));
    const got = taken.filter((span) => span !== undefined).sort((a, b) => a - b);
    expect(got).toEqual(spans);
  });
});
