import { connect, connectRedis, type Redis } from '@karst/orchestrator/store/connection.ts';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';

const SILENCE_MS = 300;

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = connectRedis(server.url, pino({ level: 'silent' }), 'test', SILENCE_MS);
  await connect(redis);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

async function readsOfServer(): Promise<number> {
  const stats = await redis.info('stats');
  return Number(/^total_reads_processed:(\d+)/m.exec(stats)?.[1]);
}

it('sends the commands of one turn together', async () => {
  const before = await readsOfServer();
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => redis.echo(String(i))));
  expect(answers).toEqual(Array.from({ length: 100 }, (_, i) => String(i)));
  // Its own question is one of them.
  expect((await readsOfServer()) - before).toBeLessThan(10);
});

it('gives up on a server that hangs, and goes on when that answers again', async () => {
  process.kill(server.pid, 'SIGSTOP');
  try {
    await expect(Promise.all([redis.get('a'), redis.get('b')])).rejects.toThrow();
  } finally {
    process.kill(server.pid, 'SIGCONT');
  }
  await expect.poll(() => redis.ping().catch(() => undefined)).toBe('PONG');
});
