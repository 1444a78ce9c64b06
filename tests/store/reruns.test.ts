import type { LeaseRef } from '@karst/orchestrator/store/keys.ts';
import type { ResultWords } from '@karst/orchestrator/store/span-store.ts';
import { type NodeId, newLeaseId, newNodeId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';
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

const here = newNodeId(systemRandom);
const there = newNodeId(systemRandom);
const third = newNodeId(systemRandom);
const running = { waiting: 0, running: 1, succeeded: 0, failed: 0, canceled: 0 };

type Held = LeaseRef & { nodeId: NodeId };

/** A step of one task, or a chunk of three, that runs `here`. */
async function start({ isChunked = false, maxRetries = 3 } = {}) {
  const taskCount = isChunked ? 3 : 1;
  const steps = [{ taskCount, dependsOn: [], isChunked }];
  const farm = await RealFarm.withJob(redis, { steps, maxRetries, maxFailed: 9 });
  const { spans, jobId } = farm;
  if (isChunked) await spans.createChunks(jobId, 0, 0, [2]);
  else await spans.createSpans(jobId, 0, 1, 1);

  async function grant(spanId: number, nodeId: NodeId, suitable = 0) {
    const leaseId = newLeaseId(systemRandom);
    const wanted = [{ spanId, leaseId }];
    const reply = await spans.grant(jobId, 0, nodeId, farm.nowMs(), wanted, suitable);
    if (reply.status === 'held') return 'held';
    const epoch = reply.spans[0]?.epoch;
    if (epoch === undefined) return reply.avoided.has(spanId) ? 'avoided' : 'gone';
    return { jobId, step: 0, spanId, leaseId, epoch, nodeId };
  }
  async function lease(spanId: number, nodeId: NodeId): Promise<Held> {
    const held = await grant(spanId, nodeId);
    if (typeof held === 'string') throw new Error(`not granted: ${held}`);
    return held;
  }
  const last = taskCount - 1;
  const report = ({ nodeId, ...ref }: Held, code: ResultWords['code']) =>
    reportOne(spans, nodeId, ref, farm.nowMs(), [
      {
        code,
        first: 0,
        last,
        runMs: 1,
        record:
          code === 'b'
            ? `0 ${last} ${ref.epoch} ${nodeId} 1 2`
            : JSON.stringify({ e: ref.epoch, n: nodeId, o: code === 's' ? 'succeeded' : 'failed' }),
        outputs: '',
        outputsCount: 0,
      },
    ]);
  const expire = ({ nodeId, epoch, ...ref }: Held, isFault = true) =>
    spans.expire(ref, farm.nowMs(), JSON.stringify({ e: epoch, n: nodeId, o: 'lost' }), isFault);
  const task = async () => (await farm.read()).steps[0]?.facts[0];
  const counts = async () => (await farm.read()).job.taskCounts;
  const table = async () =>
    (await farm.read()).steps[0]?.spans.map((s) => `${s.spanId} ${s.state}`) ?? [];
  return { farm, spans, jobId, grant, lease, report, expire, task, counts, table };
}

/** The same, and a rerun that waits for a node. */
async function withQueued(options?: Parameters<typeof start>[0]) {
  const of = await start(options);
  const original = await of.lease(1, here);
  const rerunId = (await of.spans.rerun(original)) ?? 0;
  return { ...of, original, rerunId };
}

/** The same, and the rerun runs `there`. */
async function withBoth(options?: Parameters<typeof start>[0]) {
  const of = await withQueued(options);
  return { ...of, rerun: await of.lease(of.rerunId, there) };
}

const isOf = ({ spanId, leaseId, nodeId }: Held) => ({ step: 0, spanId, leaseId, nodeId });

describe('a rerun', () => {
  it('goes to any node but its original’s, and moves no counter', async () => {
    const { grant, counts, rerunId, task, table } = await withQueued();
    expect(await task()).toMatchObject({ state: 'running', nodeId: here, rerun: {} });
    expect(await grant(rerunId, here)).toBe('avoided');
    expect(await grant(rerunId, there)).toMatchObject({ spanId: rerunId });
    expect(await counts()).toEqual(running);
    expect(await task()).toMatchObject({ nodeId: here, rerun: { nodeId: there } });
    expect(await table()).toEqual(['1 leased', '2 leased']);
    expect(await grant(rerunId, third)).toBe('gone');
  });

  it('is made once for a lease that is live, also when it is over', async () => {
    const { spans, original, rerun, expire } = await withBoth();
    expect(await spans.rerun(original)).toBeUndefined();
    expect(await spans.rerun(rerun)).toBeUndefined();
    await expire(rerun);
    expect(await spans.rerun(original)).toBeUndefined();
    const other = { ...original, leaseId: newLeaseId(systemRandom) };
    expect(await spans.rerun(other)).toBeUndefined();
  });

  it('is neither made nor granted while the job is paused', async () => {
    const { farm, spans, jobId, lease, grant } = await start();
    const original = await lease(1, here);
    await farm.control.setPaused(jobId, true);
    expect(await spans.rerun(original)).toBeUndefined();
    await farm.control.setPaused(jobId, false);
    expect(await spans.rerun(original)).toBe(2);
    await farm.control.setPaused(jobId, true);
    expect(await grant(2, there)).toBe('held');
  });

  it('is of the last task of a span, not of several that run one after another', async () => {
    const shape = { steps: [{ taskCount: 2, dependsOn: [] }], maxRetries: 0, maxFailed: 0 };
    const { spans, jobId } = await RealFarm.withJob(redis, shape);
    await spans.createSpans(jobId, 0, 2, 1);
    const leaseId = newLeaseId(systemRandom);
    const granted = await spans.grant(jobId, 0, here, 1, [{ spanId: 1, leaseId }]);
    const epoch = granted.status === 'granted' ? (granted.spans[0]?.epoch ?? 0) : 0;
    const ref = { jobId, step: 0, spanId: 1, leaseId, epoch };
    expect(await spans.rerun(ref)).toBeUndefined();
    const record = `0 0 ${epoch} ${here} 1 2`;
    const first = { first: 0, last: 0, runMs: 1, record, outputs: '', outputsCount: 0 };
    await reportOne(spans, here, ref, 2, [{ code: 'b', ...first }]);
    expect(await spans.rerun(ref)).toBe(2);
    expect((await spans.list(jobId, 0))[1]).toMatchObject({ first: 1, last: 1, original: 1 });
  });
});

describe('of two leases of the same task', () => {
  it.each([
    ['original', 'b'],
    ['original', 's'],
    ['rerun', 'b'],
    ['rerun', 's'],
  ] as const)('the success of the %s (%s) counts once and ends the other', async (who, code) => {
    const { report, counts, table, task, ...both } = await withBoth();
    const [winner, loser] =
      who === 'rerun' ? [both.rerun, both.original] : [both.original, both.rerun];
    const reported = await report(winner, code);
    expect(reported).toMatchObject({ status: 'accepted', released: true, runsOn: false });
    expect(reported.effects).toMatchObject({
      revoked: [isOf(loser)],
      job: 'succeeded',
      ended: [0],
    });
    expect(await report(loser, code)).toMatchObject({ status: 'lost' });
    expect(await report(loser, 't')).toMatchObject({ status: 'lost' });
    expect(await counts()).toEqual({ ...running, running: 0, succeeded: 1 });
    expect(await table()).toEqual([]);
    expect((await task())?.attempt).toMatchObject({ epoch: winner.epoch, outcome: 'succeeded' });
  });

  it.each(['t', 'ta', 'na', 'f', 'wa', 'r'] as const)(
    'one that ends by %s leaves the task to the other, at no cost',
    async (code) => {
      for (const who of ['original', 'rerun'] as const) {
        const { report, counts, table, task, ...both } = await withBoth({ maxRetries: 0 });
        const [ends, stays] =
          who === 'rerun' ? [both.rerun, both.original] : [both.original, both.rerun];
        const reported = await report(ends, code);
        expect(reported).toMatchObject({ released: true, requeued: false, runsOn: true });
        expect(reported.effects).toMatchObject({ revoked: [], retries: [], job: '' });
        expect(await counts()).toEqual(running);
        expect(await table()).toEqual([`${stays.spanId} leased`]);
        expect(await task()).toMatchObject({ state: 'running', failures: 0, nodeId: stays.nodeId });
        expect((await task())?.rerun).toBeUndefined();
        expect(await report(ends, 'b')).toMatchObject({ status: 'lost' });
        expect(await report(stays, 'b')).toMatchObject({ status: 'accepted' });
        expect((await task())?.attempt).toMatchObject({ epoch: stays.epoch, outcome: 'succeeded' });
      }
    },
  );

  it('one whose node is lost, or that is preempted, leaves the task to the other', async () => {
    for (const isFault of [true, false]) {
      const { expire, report, original, rerun, counts } = await withBoth();
      const expired = await expire(original, isFault);
      expect(expired).toMatchObject({ expired: true, requeued: false, runsOn: true });
      expect(await counts()).toEqual(running);
      expect(await expire(original)).toMatchObject({ expired: false });
      expect(await report(rerun, 's')).toMatchObject({ status: 'accepted' });
    }
  });

  it('the second that fails is charged, and its next try avoids the node of the first', async () => {
    const { report, original, rerun, counts, task, grant } = await withBoth();
    await report(original, 'ta');
    const reported = await report(rerun, 't');
    expect(reported.runsOn).toBe(false);
    expect(reported.effects.retries).toEqual([{ spanId: 3, task: 0, failures: 1 }]);
    expect(await counts()).toEqual({ ...running, running: 0, waiting: 1 });
    expect(await task()).toMatchObject({ state: 'waiting', failures: 1 });
    expect(await grant(3, here, 2)).toBe('avoided');
    expect(await grant(3, third, 2)).toMatchObject({ spanId: 3 });
  });

  it('a failure that no retry mends fails the task and ends the other', async () => {
    const { report, original, rerun, counts } = await withBoth();
    const reported = await report(rerun, 'x');
    expect(reported.effects).toMatchObject({ revoked: [isOf(original)], job: 'failed' });
    expect(await report(original, 's')).toMatchObject({ status: 'lost' });
    expect(await counts()).toEqual({ ...running, running: 0, failed: 1 });
  });

  it('both end when a person requeues the task, or cancels the job', async () => {
    const requeued = await withBoth();
    const { farm, jobId, original, rerun } = requeued;
    const reply = await farm.control.requeueTask(jobId, 0, 0, farm.nowMs());
    expect(reply).toMatchObject({ stateBefore: 'running', spanId: 1 });
    expect(reply.effects.revoked).toEqual([isOf(original), isOf(rerun)]);
    expect(await requeued.counts()).toEqual({ ...running, running: 0, waiting: 1 });
    expect(await requeued.table()).toEqual(['1 queued']);
    const canceled = await withBoth();
    const { effects } = await canceled.farm.control.cancel(canceled.jobId, 1);
    expect(effects.revoked).toHaveLength(2);
    expect(effects.revoked).toContainEqual(isOf(canceled.rerun));
    expect(await canceled.report(canceled.rerun, 's')).toMatchObject({ status: 'lost' });
    expect(await canceled.counts()).toEqual({ ...running, running: 0, canceled: 1 });
  });

  it('is one chunk where chunks adapt', async () => {
    const { report, original, rerun, counts, farm } = await withBoth({ isChunked: true });
    expect(await counts()).toEqual({ ...running, running: 3 });
    expect(await report(original, 't')).toMatchObject({ runsOn: true });
    expect(await counts()).toEqual({ ...running, running: 3 });
    expect((await farm.read()).steps[0]?.facts[2]).toMatchObject({ nodeId: there });
    await report(rerun, 'b');
    expect(await counts()).toEqual({ ...running, running: 0, succeeded: 3 });
  });
});

describe('a rerun that waits is dropped', () => {
  const dropped = [{ step: 0, spanId: 2 }];

  it('when the task succeeds', async () => {
    const { report, original, rerunId, grant, table, counts } = await withQueued();
    expect((await report(original, 's')).effects).toMatchObject({ dropped, revoked: [] });
    expect(await table()).toEqual([]);
    expect(await counts()).toEqual({ ...running, running: 0, succeeded: 1 });
    expect(await grant(rerunId, there)).not.toMatchObject({ spanId: rerunId });
  });

  it('when the task fails: that is charged, and tried again as ever', async () => {
    const { report, original, rerunId, grant, table, task } = await withQueued();
    const { effects, runsOn } = await report(original, 't');
    expect({ effects, runsOn }).toMatchObject({ effects: { dropped }, runsOn: false });
    expect(effects.retries).toEqual([{ spanId: 3, task: 0, failures: 1 }]);
    expect(await table()).toEqual(['3 queued']);
    expect(await task()).toMatchObject({ state: 'waiting', failures: 1 });
    expect(await grant(rerunId, there)).toBe('gone');
  });

  it('when the task is given back, its node is lost, or a person requeues it', async () => {
    const back = await withQueued();
    expect((await back.report(back.original, 'r')).effects).toMatchObject({ dropped });
    const lost = await withQueued();
    expect((await lost.expire(lost.original)).effects).toMatchObject({ dropped });
    const asked = await withQueued();
    const { farm, jobId, original } = asked;
    const { effects } = await farm.control.requeueTask(jobId, 0, 0, farm.nowMs());
    expect(effects).toMatchObject({ dropped, revoked: [isOf(original)] });
    for (const { table, counts, lease, spans } of [back, lost, asked]) {
      expect(await table()).toEqual(['1 queued']);
      expect(await counts()).toEqual({ ...running, running: 0, waiting: 1 });
      // A new lease may have its own.
      expect(await spans.rerun(await lease(1, there))).toBe(3);
    }
  });
});
