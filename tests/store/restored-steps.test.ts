import { keys } from '@karst/orchestrator/store/keys.ts';
import { loadScript } from '@karst/orchestrator/store/script.ts';
import { newLeaseId, newNodeId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { checkInvariants } from './support/invariants.ts';
import { RealFarm } from './support/real-farm.ts';
import { reportOne } from './support/report-one.ts';

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

const nodeId = newNodeId(systemRandom);

/** A job of one step with 12 tasks, those given restored from storage. */
async function restoredJob(isChunked: boolean, ranges: readonly (readonly [number, number])[]) {
  const steps = [{ taskCount: 12, dependsOn: [], isChunked }];
  const farm = await RealFarm.withJob(redis, { steps, maxRetries: 0, maxFailed: 9 });
  const restore = (given: readonly (readonly [number, number])[]) =>
    loadScript('restore_tasks').run(
      redis,
      { job_key: keys.job(farm.jobId), step_key: keys.step(farm.jobId, 0) },
      { step_index: 0, now_ms: farm.nowMs() },
      given.flatMap(([first, last]) => [
        first,
        last,
        JSON.stringify({ epoch: 1, last, files: [] }),
        0,
        1,
        '',
      ]),
    );
  await restore(ranges);
  return { farm, restore };
}

/** Feeds all, in pieces of five, and runs every span; answers the tasks of each. */
async function runAll(farm: RealFarm, isChunked: boolean): Promise<string[]> {
  for (let remaining = 1; remaining > 0; ) {
    const { steps } = await farm.read();
    const cursor = steps[0]?.record.cursor ?? 0;
    const made = isChunked
      ? await farm.spans.createChunks(farm.jobId, 0, cursor, [Math.min(cursor + 4, 11)])
      : await farm.spans.createSpans(farm.jobId, 0, 5, 1);
    if (made === 'moved') throw new Error('somebody else has fed');
    remaining = made.remaining;
  }
  const spans = await farm.spans.list(farm.jobId, 0);
  for (const { spanId, first, last } of spans) {
    const leaseId = newLeaseId(systemRandom);
    const wanted = [{ spanId, leaseId }];
    const granted = await farm.spans.grant(farm.jobId, 0, nodeId, farm.nowMs(), wanted);
    const epoch = granted.status === 'granted' ? (granted.spans[0]?.epoch ?? 0) : 0;
    const record = `${first} ${last} ${epoch} ${nodeId} 1 2`;
    const words = {
      code: 'b',
      first,
      last,
      runMs: 1,
      record,
      outputs: '',
      outputsCount: 0,
    } as const;
    const lease = { jobId: farm.jobId, step: 0, spanId, leaseId, epoch };
    const { status } = await reportOne(farm.spans, nodeId, lease, farm.nowMs(), [words]);
    expect(status).toBe('accepted');
  }
  return spans.sort((a, b) => a.first - b.first).map(({ first, last }) => `${first}-${last}`);
}

it('chunks restored from storage are passed over, and keep their bounds when run again', async () => {
  const { farm, restore } = await restoredJob(true, [
    [2, 5],
    [8, 8],
  ]);
  // One that was written before, of tasks that others have published since, counts no task twice.
  await restore([
    [2, 5],
    [4, 9],
  ]);
  const restored = await farm.read();
  expect(restored.job.taskCounts).toMatchObject({ succeeded: 5, waiting: 7 });
  const { spanId } = await farm.control.requeueTask(farm.jobId, 0, 4, farm.nowMs());
  expect(spanId).toBeGreaterThan(0);
  expect(await runAll(farm, true)).toEqual(['0-1', '2-5', '6-7', '9-10', '11-11']);
  const ended = await farm.read();
  expect(ended.job.state).toBe('succeeded');
  checkInvariants(ended);
});

it('a task restored from storage ahead of the feed that is to run again is fed once', async () => {
  const { farm } = await restoredJob(false, [
    [2, 2],
    [3, 3],
    [8, 8],
  ]);
  const { stateBefore, spanId } = await farm.control.requeueTask(farm.jobId, 0, 3, farm.nowMs());
  expect({ stateBefore, spanId }).toEqual({ stateBefore: 'succeeded', spanId: 0 });
  expect(await runAll(farm, false)).toEqual(['0-1', '3-7', '9-11']);
  const ended = await farm.read();
  expect(ended.job.state).toBe('succeeded');
  checkInvariants(ended);
});
