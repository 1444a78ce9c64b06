import type { Clock } from '@karst/shared/clock.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { Logger } from 'pino';
import { isSlow, type SlowLimits } from '../domain/slow-task.ts';
import type { JobEvents } from '../jobs/job-events.ts';
import type { Redis } from '../store/connection.ts';
import { runningFacts, type StepRecord } from '../store/job-record.ts';
import type { JobStore } from '../store/job-store.ts';
import { keys } from '../store/keys.ts';
import type { Span, SpanStore } from '../store/span-store.ts';
import type { Pass } from './pass.ts';

/** A flag is told once; so long after its task, nobody tells it anyway. */
const TOLD_S = 7 * 86_400;

/**
 * Tells watchers of running tasks that take far longer than their siblings did. Whether a task is slow
 * is never stored: whoever reads a task finds it out anew.
 */
export function flagSlowTasksPass(parts: {
  redis: Redis;
  jobs: JobStore;
  spans: SpanStore;
  events: JobEvents;
  clock: Clock;
  logger: Logger;
  slowLimits: SlowLimits;
  periodMs: number;
}): Pass {
  const { redis, jobs, spans, events, clock, logger, slowLimits } = parts;

  async function flag(jobId: JobId, step: number, span: Extract<Span, { state: 'leased' }>) {
    const key = keys.toldSlow(jobId, step, span.first, span.epoch);
    if ((await redis.set(key, '1', 'EX', TOLD_S, 'NX')) === null) return;
    logger.info({ job: jobId, step, task: span.first, node: span.nodeId }, 'task is slow');
    await events.progressed(jobId, step, { task: span.first, flags: ['slow'] });
  }

  async function look(jobId: JobId, step: number, record: StepRecord, isChunk: boolean) {
    const nowMs = clock.nowMs();
    for (const span of await spans.list(jobId, step)) {
      if (span.state !== 'leased') continue;
      const tasksAtOnce = isChunk ? span.last - span.first + 1 : 1;
      const facts = runningFacts(record, nowMs - span.grantedAtMs, tasksAtOnce);
      if (isSlow(facts, slowLimits)) await flag(jobId, step, span);
    }
  }

  return {
    name: 'flag-slow-tasks',
    periodMs: parts.periodMs,
    async runOnce() {
      for (const jobId of await jobs.activeIds()) {
        const job = await jobs.read(jobId);
        if (job === undefined || job.taskCounts.running === 0) continue;
        for (const [step, record] of (await jobs.steps(jobId, job.stepCount)).entries()) {
          if (record.running > 0) await look(jobId, step, record, record.chunked === 1);
        }
      }
    },
  };
}
