import type { WaitingStep } from '@karst/orchestrator/scheduler/ranking.ts';
import { shapeOf } from '@karst/orchestrator/scheduler/shape.ts';
import { jobIdSchema } from '@karst/shared/protocol/ids.ts';

export const jobNumber = (n: number) => jobIdSchema.parse(`job-${String(n).padStart(20, '0')}`);

/** A step of job number `n`, with everything usual but what is given. */
export function stepOf(n: number, given: Partial<WaitingStep> = {}): WaitingStep {
  return {
    jobId: jobNumber(n),
    step: 0,
    studio: 'pixels',
    project: 'film',
    shape: shapeOf(undefined),
    priorityClass: 'normal',
    priority: 50,
    createdAtMs: n,
    gates: [],
    ...given,
  };
}
