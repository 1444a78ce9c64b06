import type { Clock } from '@karst/shared/clock.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import { isSlow, type SlowLimits } from '../domain/slow-task.ts';
import type { JobEvents } from '../jobs/job-events.ts';
import type { FarmSurvey } from '../store/farm-survey.ts';
import type { StepRecord } from '../store/job-record.ts';
import { keys } from '../store/keys.ts';
import type { LeasedSpan } from '../store/span-store.ts';
import type { Pass } from './pass.ts';
import { type RerunParts, slowTaskRerunner } from './rerun-slow-tasks.ts';

/** A flag is told once; so long after its task, nobody tells it anyway. */
const TOLD_S = 7 * 86_400;

/**
 * Tells watchers of running tasks that take far longer than their siblings did. Whether a task is slow
 * is never stored: whoever reads a task finds it out anew. Where the job wants it, they and silent ones
 * are run again elsewhere.
 */
export function flagSlowTasksPass(
  parts: RerunParts & {
    survey: FarmSurvey;
    events: JobEvents;
    clock: Clock;
    slowLimits: SlowLimits;
    periodMs: number;
  },
): Pass {
  const { redis, jobs, spans, events, clock, logger, slowLimits } = parts;
  const rerun = slowTaskRerunner(parts);

  async function flag(jobId: JobId, step: number, span: LeasedSpan) {
    const key = keys.toldSlow(jobId, step, span.first, span.epoch);
    if ((await redis.set(key, '1', 'EX', TOLD_S, 'NX')) === null) return;
    logger.info({ job: jobId, step, task: span.first, node: span.nodeId }, 'task is slow');
    await events.progressed(jobId, step, { task: span.first, flags: ['slow'] });
  }

  async function look(job: Job, step: number, record: StepRecord) {
    const nowMs = clock.nowMs();
    const isChunked = record.chunked === 1;
    const [table, times] = await Promise.all([
      spans.list(job.id, step),
      parts.survey.times({ jobId: job.id, step }),
    ]);
    const slow: LeasedSpan[] = [];
    for (const span of table) {
      if (span.state !== 'leased') continue;
      const tasksAtOnce = isChunked ? span.last - span.first + 1 : 1;
      const elapsedMs = nowMs - span.grantedAtMs;
      if (isSlow({ elapsedMs, times, tasksAtOnce }, slowLimits)) slow.push(span);
    }
    for (const span of slow) await flag(job.id, step, span);
    await rerun({ job, step, table, slow, isChunked });
  }

  return {
    name: 'flag-slow-tasks',
    periodMs: parts.periodMs,
    async runOnce() {
      for (const jobId of await jobs.activeIds()) {
        const job = await jobs.read(jobId);
        if (job === undefined || job.taskCounts.running === 0) continue;
        for (const [step, record] of (await jobs.steps(jobId, job.stepCount)).entries()) {
          if (record.running > 0) await look(job, step, record);
        }
      }
    },
  };
}
