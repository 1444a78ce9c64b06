import type { JobId } from '@karst/shared/protocol/ids.ts';
import { type Job, terminalJobStates } from '@karst/shared/protocol/job.ts';
import type { Logger } from 'pino';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { Aftermath } from '../jobs/aftermath.ts';
import type { SpanQueue } from '../queue/span-queue.ts';
import type { Redis } from '../store/connection.ts';
import { mayRun } from '../store/job-record.ts';
import type { JobStore } from '../store/job-store.ts';
import { keys } from '../store/keys.ts';
import type { Ledger } from '../store/ledger.ts';
import type { NodeStore } from '../store/node-store.ts';
import type { Span, SpanStore } from '../store/span-store.ts';
import type { LeaseExpiry } from '../sync/lease-expiry.ts';
import type { Pass } from './pass.ts';
import { ceilingSettler } from './settle-ceilings.ts';

/** Spans of one step looked at in one pass; the rest waits for the next. */
const SPANS_PER_STEP_MAX = 2000;

/** Steps looked at in one run, so that a farm with thousands of them is swept in turns. */
const STEPS_PER_RUN_MAX = 200;

/**
 * Mends what a crash left between the span table and the queues, and finds steps whose wake-up was
 * lost. The table is the truth: what it says is queued is put on the queue again (BullMQ ignores a span
 * it has), and a span in an offer that was taken and never finished is offered again. A span must look so in
 * two looks in a row, so that a grant in progress is left alone; the first sweep of a process trusts
 * its look at once, since nothing of its own is in progress. Leases that no node knows of are taken
 * back. What was done and has not yet let other steps' tasks run does so. Then the ceilings of jobs. A farm with many steps is swept in several runs.
 */
export function reconcilePass(parts: {
  redis: Redis;
  jobs: JobStore;
  spans: SpanStore;
  nodes: NodeStore;
  ledger: Ledger;
  queue: SpanQueue;
  expiry: LeaseExpiry;
  dispatcher: Dispatcher;
  aftermath: Aftermath;
  logger: Logger;
  periodMs: number;
}): Pass {
  const { jobs, spans, queue, dispatcher, logger } = parts;
  /** Jobs of the sweep under way that are still to be looked at. */
  let ahead: JobId[] = [];
  let active: Job[] = [];
  /** Odd spans at the last look, by step. */
  const suspectsOf = new Map<string, ReadonlySet<number>>();
  let sweeps = 0;
  const settleCeilings = ceilingSettler(jobs, parts.ledger);

  /**
   * A lease stands on its node's list before the table grants it and until the table ends it. One that
   * was struck off in between, by a newer call of the node while the grant was on its way, would never
   * expire. Struck off is for good, so one look is enough: taking back checks that it is still held.
   */
  async function takeBackUnlisted(jobId: JobId, step: number, table: readonly Span[]) {
    const leased = table.filter((span) => span.state === 'leased').slice(0, SPANS_PER_STEP_MAX);
    await Promise.all(
      leased.map(async ({ nodeId, leaseId, spanId }) => {
        if ((await parts.nodes.lease(nodeId, leaseId)) !== undefined) return;
        const lease = { leaseId, jobId, step, spanId };
        await parts.expiry.expire(nodeId, [lease], 'the node was never told of the lease');
      }),
    );
  }

  /** Answers whether spans wait for nodes: those of waiting tasks, and reruns of running ones. */
  async function mendStep(jobId: JobId, step: number): Promise<boolean> {
    const ref = { jobId, step };
    const name = `${jobId}/${step}`;
    await queue.requeueStalled(ref);
    const table = await spans.list(jobId, step);
    await takeBackUnlisted(jobId, step, table);
    const queued = table.filter((span) => span.state === 'queued');
    const suspects = suspectsOf.get(name);
    const next = new Set<number>();
    suspectsOf.set(name, next);
    const look = await queue.look(ref);
    const freed = new Set<string>();
    for (const { spanId } of queued.slice(0, SPANS_PER_STEP_MAX)) {
      if (look.ready.has(spanId) || look.delayed.has(spanId)) continue;
      const takenIn = look.taken.get(spanId);
      if (takenIn !== undefined && freed.has(takenIn)) continue;
      if (sweeps > 0 && suspects?.has(spanId) !== true) {
        next.add(spanId);
        continue;
      }
      logger.info({ job: jobId, step, spanId, takenIn }, 'span put back on its queue');
      if (takenIn === undefined) await queue.add(ref, [spanId]);
      else {
        await queue.free(ref, takenIn);
        freed.add(takenIn);
      }
    }
    return queued.length > 0;
  }

  /** Looks at one job; answers how many of its steps may run. */
  async function mendJob(jobId: JobId): Promise<number> {
    const job = await jobs.read(jobId);
    if (job === undefined) {
      await parts.redis.srem(keys.activeJobs(), jobId);
      return 0;
    }
    if (terminalJobStates.has(job.state)) {
      await parts.aftermath.jobStateChanged(jobId, job.state);
      return 0;
    }
    active.push(job);
    await parts.aftermath.releaseFrames(jobId);
    let looked = 0;
    for (const [step, record] of (await jobs.steps(jobId, job.stepCount)).entries()) {
      if (!mayRun(record)) continue;
      looked += 1;
      const anyQueued = await mendStep(jobId, step);
      if (record.waiting > 0 || anyQueued) await dispatcher.wakeStep(jobId, step);
    }
    return looked;
  }

  return {
    name: 'reconcile',
    periodMs: parts.periodMs,
    async runOnce() {
      if (ahead.length === 0) ahead = await jobs.activeIds();
      // The first sweep of a process is how it learns of the steps with work.
      let left = sweeps === 0 ? Number.POSITIVE_INFINITY : STEPS_PER_RUN_MAX;
      while (left > 0) {
        const jobId = ahead.pop();
        if (jobId === undefined) break;
        left -= Math.max(1, await mendJob(jobId));
      }
      if (ahead.length > 0) return;
      await settleCeilings(active);
      forgetEnded(active);
      active = [];
      sweeps += 1;
    },
  };

  function forgetEnded(jobsLeft: readonly Job[]): void {
    const ids = new Set<string>(jobsLeft.map(({ id }) => id));
    for (const name of suspectsOf.keys()) {
      if (!ids.has(name.slice(0, name.indexOf('/')))) suspectsOf.delete(name);
    }
  }
}
