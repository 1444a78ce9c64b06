import { SpanQueue } from '@karst/orchestrator/queue/span-queue.ts';
import { systemClock } from '@karst/shared/clock.ts';
import { newJobId } from '@karst/shared/protocol/ids.ts';
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

const token = () => systemRandom.uuid();
const freshStep = () => ({ jobId: newJobId(systemRandom), step: 0 });
type Step = ReturnType<typeof freshStep>;

/** The next offer's spans, taken and finished. */
async function next(step: Step): Promise<number[] | undefined> {
  const key = token();
  const offer = await queue.take(step, key);
  if (offer !== undefined) await queue.finish(step, offer.id, key);
  return offer?.spanIds;
}

async function taken(step: Step, key = token()) {
  const offer = await queue.take(step, key);
  if (offer === undefined) throw new Error('nothing to take');
  return { ...offer, key };
}

describe('a step’s queue', () => {
  it('hands out spans first in, first out, and nothing when empty', async () => {
    const step = freshStep();
    await queue.add(step, [1, 2]);
    expect(await next(step)).toEqual([1]);
    expect(await next(step)).toEqual([2]);
    expect(await next(step)).toBeUndefined();
  });

  it('hands out together what was offered together, if the ids follow each other', async () => {
    const step = freshStep();
    await queue.add(step, [1, 2, 3, 4, 5, 9, 11, 12], { offerSpans: 3 });
    const offers = [];
    for (let spans = await next(step); spans !== undefined; spans = await next(step)) {
      offers.push(spans);
    }
    expect(offers).toEqual([[1, 2, 3], [4, 5], [9], [11, 12]]);
  });

  it('holds a span once, however often it is added', async () => {
    const step = freshStep();
    await queue.add(step, [1, 2]);
    await queue.add(step, [1, 2, 3]);
    const all = [1, 2, 3, 4].map(() => queue.take(step, token()));
    expect((await Promise.all(all)).map((offer) => offer?.spanIds[0])).toEqual([
      1,
      2,
      3,
      undefined,
    ]);
  });

  it('puts spans back first in line and in their order', async () => {
    const step = freshStep();
    await queue.add(step, [1, 2, 3, 4], { offerSpans: 3 });
    expect(await next(step)).toEqual([1, 2, 3]);
    await queue.putBack(step, [2, 3]);
    expect([await next(step), await next(step), await next(step)]).toEqual([[2], [3], [4]]);
    await queue.putBack(step, [2, 3, 7], 2);
    expect([await next(step), await next(step)]).toEqual([[2, 3], [7]]);
  });

  it('finishing is harmless when repeated, and lets the span be queued again', async () => {
    const step = freshStep();
    await queue.add(step, [1]);
    const { id, key } = await taken(step);
    await queue.finish(step, id, key);
    await queue.finish(step, id, key);
    await queue.add(step, [1]);
    expect(await next(step)).toEqual([1]);
  });

  it('a finish under another token leaves an offer alone that is taken', async () => {
    const step = freshStep();
    await queue.add(step, [1]);
    const { id } = await taken(step);
    await queue.finish(step, id, token());
    expect([...(await queue.look(step)).taken]).toEqual([[1, 's1']]);
    await queue.free(step, id);
    expect(await next(step)).toEqual([1]);
  });

  it('drops a span that waits alone, delayed or not, and leaves others alone', async () => {
    const step = freshStep();
    await queue.add(step, [1, 2]);
    await queue.add(step, [3], { delayMs: 3_600_000 });
    await queue.add(step, [4, 5], { offerSpans: 2 });
    const { id, key } = await taken(step);
    for (const spanId of [1, 2, 3, 4, 6]) await queue.drop({ ...step, spanId });
    const look = await queue.look(step);
    expect(look.ready).toEqual(new Set([4, 5]));
    expect(look.delayed.size).toBe(0);
    expect([...look.taken.keys()]).toEqual([1]);
    await queue.finish(step, id, key);
    expect((await queue.look(step)).taken.size).toBe(0);
  });

  it('tells what waits, what waits for its time and until when, and what is taken', async () => {
    const step = freshStep();
    const nowMs = Date.now();
    await queue.add(step, [1, 2, 3, 4], { offerSpans: 2 });
    await queue.add(step, [7], { delayMs: 60_000 });
    await taken(step);
    const { ready, delayed, taken: inHand } = await queue.look(step);
    expect(ready).toEqual(new Set([3, 4]));
    expect(inHand).toEqual(new Map([1, 2].map((spanId) => [spanId, 's1-2'])));
    expect(Math.abs((delayed.get(7) ?? 0) - nowMs - 60_000)).toBeLessThan(5000);
  });

  it('frees an offer that a process which died had taken', async () => {
    const step = freshStep();
    await queue.add(step, [1, 2], { offerSpans: 2 });
    const { id } = await taken(step);
    await queue.free(step, id);
    await queue.free(step, id);
    expect(await next(step)).toEqual([1, 2]);
  });

  it('holds a delayed span back until it is due', async () => {
    const step = freshStep();
    await queue.add(step, [1], { delayMs: 150 });
    expect(await next(step)).toBeUndefined();
    expect(await eventually('the span', () => next(step))).toEqual([1]);
  });

  it('leaves nothing in Redis when it is removed, taken spans included', async () => {
    const step = freshStep();
    await queue.prepare(step);
    await queue.add(step, [1, 2, 3]);
    await taken(step);
    await queue.remove(step);
    expect(await redis.keys(`*${step.jobId}*`)).toEqual([]);
  });

  it('gives each span to one taker only, however many take at once', async () => {
    const step = freshStep();
    const spans = Array.from({ length: 200 }, (_, i) => i + 1);
    await queue.add(step, spans, { offerSpans: 3 });
    const all = await Promise.all(Array.from({ length: 250 }, () => queue.take(step, token())));
    const got = all.flatMap((offer) => offer?.spanIds ?? []).sort((a, b) => a - b);
    expect(got).toEqual(spans);
  });
});
