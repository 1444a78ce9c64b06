import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import type { Logger } from 'pino';
import { spansToRerun } from '../domain/reruns.ts';
import type { Aftermath } from '../jobs/aftermath.ts';
import { shapeOf } from '../scheduler/shape.ts';
import type { Redis } from '../store/connection.ts';
import type { JobStore } from '../store/job-store.ts';
import { keys } from '../store/keys.ts';
import type { LeasedSpan, Span, SpanStore } from '../store/span-store.ts';
import { progressSchema } from '../store/task-reader.ts';
import type { NodeRoster } from '../sync/node-roster.ts';

export interface RerunParts {
  redis: Redis;
  jobs: JobStore;
  spans: SpanStore;
  aftermath: Aftermath;
  roster: NodeRoster;
  logger: Logger;
}

/** A step as the pass looks at it. */
export interface StepLook {
  job: Job;
  step: number;
  table: readonly Span[];
  /** Leases whose tasks take far longer than their siblings did. */
  slow: readonly LeasedSpan[];
  /** Where chunks adapt, a span runs as one. */
  isChunked: boolean;
}

/**
 * Runs slow and silent tasks a second time on another node, where the job's policy wants it. Two replicas
 * that look at once may make one rerun more than a step should have; a lease never gets two.
 */
export function slowTaskRerunner(parts: RerunParts) {
  const { redis, jobs, spans, aftermath, roster, logger } = parts;

  async function silentTasks(jobId: JobId, step: number): Promise<Set<number>> {
    const told = await redis.hgetall(keys.progress(jobId, step));
    const silent = Object.entries(told).filter(
      ([, text]) => progressSchema.parse(JSON.parse(text)).silentSeconds !== undefined,
    );
    return new Set(silent.map(([task]) => Number(task)));
  }

  return async ({ job, step, table, slow, isChunked }: StepLook): Promise<void> => {
    if (!job.policy.rerunSlowTasks || job.state !== 'running') return;
    const flagsSilent = job.policy.silentSeconds !== undefined;
    const silent = flagsSilent ? await silentTasks(job.id, step) : new Set<number>();
    if (slow.length + silent.size === 0) return;
    const resolved = (await jobs.definition(job.id))?.job.steps[step];
    if (resolved === undefined) return;
    const shape = shapeOf(resolved.hostRequirements, job.policy.placement);
    const slowIds = new Set(slow.map(({ spanId }) => spanId));
    const leased = table.filter((span) => span.state === 'leased');
    const queued = table.filter((s) => s.state === 'queued' && s.original !== undefined).length;
    const chosen = spansToRerun(leased, queued, ({ spanId, first, last, nodeId }) => {
      const runsAsOne = isChunked || first === last;
      const isFlagged = slowIds.has(spanId) || silent.has(first);
      return runsAsOne && isFlagged && roster.isTakenElsewhere(shape, nodeId);
    });
    for (const { spanId, leaseId, first, nodeId } of chosen) {
      const rerun = await spans.rerun({ jobId: job.id, step, spanId, leaseId });
      if (rerun === undefined) continue;
      logger.info({ job: job.id, step, task: first, node: nodeId }, 'task is run again elsewhere');
      await aftermath.spansQueued(job.id, step, [rerun]);
    }
  };
}
