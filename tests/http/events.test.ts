import { once } from 'node:events';
import { connect } from 'node:net';
import type { FarmEvent } from '@karst/shared/protocol/event.ts';
import { jobIdSchema, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, problemIn } from './call.ts';
import { openEvents } from './event-reader.ts';
import { type Replica, startFarm, startReplica, type TestFarm } from './test-farm.ts';

let farm: TestFarm;
let second: Replica;
beforeAll(async () => {
  farm = await startFarm();
  second = await startReplica(farm.redisProcess, farm.objects);
});
afterAll(async () => {
  await second.close();
  await farm.close();
});

const pixels = studioIdSchema.parse('pixels');
const jobA = jobIdSchema.parse(`job-${'a'.repeat(20)}`);
const jobB = jobIdSchema.parse(`job-${'b'.repeat(20)}`);
const tasks = (first: number, last: number, jobId = jobA): FarmEvent => ({
  type: 'tasks',
  jobId,
  step: 'Render',
  first,
  last,
  state: 'succeeded',
});
const progress = (task: number, percent: number): FarmEvent => ({
  type: 'progress',
  jobId: jobA,
  step: 'Render',
  task,
  percent,
});

it('streams what happens in the studio, also when another replica does it', async () => {
  const key = await farm.keyOf('read');
  await using here = await openEvents(farm.url, key);
  await using there = await openEvents(second.url, key);
  farm.bus.publish(pixels, tasks(0, 9));
  for (const watcher of [here, there]) {
    const event = await watcher.next();
    expect(event).toMatchObject({ type: 'tasks', data: tasks(0, 9) });
    expect(event.id).toMatch(/^\d+-\d+$/);
  }
});

it('streams nothing of another studio', async () => {
  await using other = await openEvents(second.url, await farm.keyOf('read', 'frames'));
  farm.bus.publish(pixels, tasks(0, 9));
  farm.bus.publish(studioIdSchema.parse('frames'), tasks(40, 49, jobB));
  expect((await other.next()).data).toEqual(tasks(40, 49, jobB));
});

it('streams one job only when asked to', async () => {
  await using one = await openEvents(farm.url, await farm.keyOf('read'), { jobId: jobB });
  farm.bus.publish(pixels, tasks(0, 1));
  farm.bus.publish(pixels, tasks(0, 2, jobB));
  expect((await one.next()).data).toEqual(tasks(0, 2, jobB));
});

it('resumes after the last event seen, on any replica, without loss or repetition', async () => {
  const key = await farm.keyOf('read');
  let lastId: string;
  {
    await using first = await openEvents(farm.url, key);
    farm.bus.publish(pixels, progress(1, 10));
    lastId = (await first.next()).id;
  }
  farm.bus.publish(pixels, progress(2, 20));
  farm.bus.publish(pixels, progress(3, 30));
  await using again = await openEvents(second.url, key, { lastEventId: lastId });
  expect((await again.next()).data).toEqual(progress(2, 20));
  expect((await again.next()).data).toEqual(progress(3, 30));
  farm.bus.publish(pixels, progress(4, 40));
  expect((await again.next()).data).toEqual(progress(4, 40));
});

it('says reset when events after the last one seen are no longer kept', async () => {
  const key = await farm.keyOf('read');
  await using old = await openEvents(farm.url, key, { lastEventId: '1-0' });
  expect(await old.next()).toMatchObject({ type: 'reset', data: { type: 'reset' } });
  await using fromTheFuture = await openEvents(farm.url, key, { lastEventId: '99999999999999-0' });
  expect((await fromTheFuture.next()).type).toBe('reset');
  farm.bus.publish(pixels, progress(5, 50));
  expect((await fromTheFuture.next()).data).toEqual(progress(5, 50));
});

it('refuses a Last-Event-ID that is none', async () => {
  const answer = await call(farm.url, 'GET', '/v1/events', {
    key: await farm.keyOf('read'),
    headers: { 'last-event-id': 'yesterday' },
  });
  expect(problemIn(answer).errors?.[0]?.path).toEqual(['headers', 'last-event-id']);
});

it('goes on after Redis was killed and restarted at once, without loss', async () => {
  await using watcher = await openEvents(second.url, await farm.keyOf('read'));
  farm.bus.publish(pixels, progress(6, 60));
  expect((await watcher.next()).data).toEqual(progress(6, 60));
  await farm.redisProcess.kill();
  farm.bus.publish(pixels, progress(7, 70));
  await farm.redisProcess.restart();
  expect((await watcher.next()).data).toEqual(progress(7, 70));
});

it('says reset when events were lost to an outage', async () => {
  await using watcher = await openEvents(second.url, await farm.keyOf('read'));
  await farm.redisProcess.kill();
  farm.bus.publish(pixels, progress(8, 80));
  // The event's own command was sent before the second of these, so it has timed out too.
  await expect(farm.redis.ping()).rejects.toThrow();
  await expect(farm.redis.ping()).rejects.toThrow();
  await farm.redisProcess.restart();
  farm.bus.publish(pixels, progress(9, 90));
  const seen: unknown[] = [];
  do seen.push((await watcher.next()).data);
  while (!seen.some((data) => JSON.stringify(data) === JSON.stringify(progress(9, 90))));
  expect(seen).toContainEqual({ type: 'reset' });
});

it("ends a stream when its key is revoked, also another replica's", async () => {
  const text = await farm.keyOf('read');
  await using watcher = await openEvents(second.url, text);
  const key = await farm.apiKeys.verify(text);
  if (key !== undefined) await farm.apiKeys.revoke(key.id);
  await expect(watcher.next()).rejects.toThrow('the stream ended');
});

it('ends every stream when the replica stops', async () => {
  const third = await startReplica(farm.redisProcess, farm.objects);
  await using watcher = await openEvents(third.url, await farm.keyOf('read'));
  await third.close();
  await expect(watcher.next()).rejects.toThrow('the stream ended');
});

it('drops a watcher that does not read, and goes on for the others', async () => {
  const key = await farm.keyOf('read');
  const port = Number(new URL(farm.url).port);
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.pause();
  const closed = once(socket, 'close');
  socket.on('error', () => undefined);
  socket.write(`GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n\r\n`);
  await using reader = await openEvents(farm.url, key);
  const status = 'x'.repeat(1000);
  // Each round is some 500 kB: what the kernel buffers for the socket that nobody reads, and then ours.
  let dropped = false;
  void closed.then(() => {
    dropped = true;
  });
  for (let round = 0; round < 100 && !dropped; round++) {
    for (let task = 0; task < 499; task++) {
      farm.bus.publish(pixels, {
        ...progress(task, round % 100),
        type: 'progress',
        status,
      } as FarmEvent);
    }
    farm.bus.publish(pixels, tasks(round, round));
    while ((await reader.next()).type !== 'tasks');
    if (socket.bytesRead > 0 && round > 40) socket.resume();
  }
  expect(dropped).toBe(true);
});
