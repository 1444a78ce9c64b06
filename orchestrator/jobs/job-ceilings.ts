import type { Job } from '@karst/shared/protocol/job.ts';
import { terminalJobStates } from '@karst/shared/protocol/job.ts';
import { counterNames } from '../scheduler/counters.ts';

/**
 * The ceilings of a job's own counters; undefined: none, as when it has ended. They stand in the
 * farm's ledger from before the job can be granted until it has ended.
 */
export function jobCeilings({
  id,
  state,
  policy,
}: Pick<Job, 'id' | 'state' | 'policy'>): Map<string, number | undefined> {
  const { maxTasks, maxNodes } = terminalJobStates.has(state) ? {} : policy;
  return new Map([
    [counterNames.jobTasks(id), maxTasks],
    [counterNames.jobNodes(id), maxNodes],
  ]);
}

/** Most jobs have none: they cost the ledger nothing. */
export const hasCeilings = ({ policy }: Pick<Job, 'policy'>): boolean =>
  policy.maxTasks !== undefined || policy.maxNodes !== undefined;

/** The job of a counter of jobCeilings. */
export const jobOfCeiling = (counter: string): string | undefined =>
  /^job:(.+):(?:tasks|nodes)$/.exec(counter)?.[1];
