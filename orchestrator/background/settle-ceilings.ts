import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import { terminalJobStates } from '@karst/shared/protocol/job.ts';
import { jobCeilings, jobOfCeiling } from '../jobs/job-ceilings.ts';
import type { JobStore } from '../store/job-store.ts';
import type { Ledger } from '../store/ledger.ts';

/**
 * Puts the ceilings of jobs that are active into the ledger where they differ, and takes out those of
 * jobs that have ended: a process died between a job's hash and the ledger. A ceiling stands before
 * its job is stored, so that one without a job is removed only when found so by two looks in a row.
 */
export function ceilingSettler(jobs: JobStore, ledger: Ledger) {
  let suspects: ReadonlySet<string> = new Set();

  async function mend(jobId: Job['id'], stand: ReadonlyMap<string, number>): Promise<void> {
    const job = await jobs.read(jobId);
    if (job === undefined) return;
    const wanted = jobCeilings(job);
    if ([...wanted].some(([name, max]) => stand.get(name) !== max)) {
      await ledger.setCeilings(wanted);
    }
  }

  return async function settle(active: readonly Job[]): Promise<void> {
    const stand = await ledger.ceilings();
    const differs = (job: Job) =>
      [...jobCeilings(job)].some(([name, max]) => stand.get(name) !== max);
    for (const { id } of active.filter(differs)) await mend(id, stand);
    const ids = new Set<string>(active.map(({ id }) => id));
    const next = new Set<string>();
    for (const name of stand.keys()) {
      const jobId = jobOfCeiling(name);
      if (jobId === undefined || ids.has(jobId)) continue;
      const job = await jobs.read(jobIdSchema.parse(jobId));
      if (job !== undefined && !terminalJobStates.has(job.state)) continue;
      if (suspects.has(name)) await ledger.setCeilings(new Map([[name, undefined]]));
      else next.add(name);
    }
    suspects = next;
  };
}
