import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';

/** What BullMQ alone does on this Redis: one Worker, a no-op, jobs/s at the given concurrency. */
export async function rawBullmq(url: string, concurrency: number, jobs: number): Promise<number> {
  const connection = new Redis(url, { maxRetriesPerRequest: null });
  const name = `raw-${concurrency}`;
  const queue = new Queue(name, { connection });
  for (let i = 0; i < jobs; i += 1000) {
    await queue.addBulk(
      Array.from({ length: Math.min(1000, jobs - i) }, () => ({
        name: 's',
        data: {},
        opts: { removeOnComplete: true },
      })),
    );
  }
  let done = 0;
  const startMs = performance.now();
  const running = new Worker(name, async () => undefined, { connection, concurrency });
  await new Promise<void>((resolve, reject) => {
    running.on('completed', () => {
      done += 1;
      if (done === jobs) resolve();
    });
    running.on('failed', (_job, error) => reject(error));
    running.on('error', reject);
  });
  const seconds = (performance.now() - startMs) / 1000;
  await running.close();
  await queue.obliterate({ force: true });
  await queue.close();
  connection.disconnect();
  return jobs / seconds;
}
