import type { JobId } from '@karst/shared/protocol/ids.ts';

/** What the choice of a step needs to know of it. */
export interface RankedStep {
  readonly jobId: JobId;
  readonly step: number;
  /** 0 to 100, higher first. */
  readonly priority: number;
  readonly createdAtMs: number;
}

/** Who goes first: priority, then age of the job, then order in the job; the id breaks ties. */
export function compareSteps(a: RankedStep, b: RankedStep): number {
  return (
    b.priority - a.priority ||
    a.createdAtMs - b.createdAtMs ||
    (a.jobId < b.jobId ? -1 : a.jobId > b.jobId ? 1 : a.step - b.step)
  );
}
