import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { JobStore } from '../store/job-store.ts';
import type { Ledger } from '../store/ledger.ts';
import { jobCeilings } from './job-ceilings.ts';
import { putJobFile } from './job-file.ts';

export interface SpreadParts {
  jobs: JobStore;
  objects: ObjectStore;
  ledger: Ledger;
}

/**
 * Puts what Redis says of a job into the ledger and into storage. Changes at the same time may get
 * here in either order, so that each looks once more when it has written.
 */
export async function spreadJob(
  { jobs, ledger, objects }: SpreadParts,
  jobId: JobId,
): Promise<Job | undefined> {
  for (let seen = await look(jobs, jobId); ; ) {
    if (seen === undefined) return undefined;
    const { job, definition } = seen;
    await ledger.setCeilings(jobCeilings(job));
    await putJobFile(objects, { ...job, definition, createdAtMs: Date.parse(job.createdAt) });
    const now = await look(jobs, jobId);
    const isWritten =
      now?.sha1 === seen.sha1 && JSON.stringify(now.job.policy) === JSON.stringify(job.policy);
    if (isWritten) return now.job;
    seen = now;
  }
}

async function look(jobs: JobStore, jobId: JobId) {
  const job = await jobs.read(jobId);
  const stored = await jobs.readDefinition(jobId);
  return job === undefined || stored === undefined ? undefined : { job, ...stored };
}
