import { type DeleteParts, deleteJob } from '../../jobs/delete-job.ts';
import type { JobStore } from '../../store/job-store.ts';
import { type Handlers, ProblemError } from '../handler.ts';
import { ownJob } from './jobs.ts';

export function jobDeletionHandlers(
  parts: DeleteParts & { jobs: JobStore; deleted: () => void },
): Pick<Handlers, 'deleteJob'> {
  return {
    async deleteJob({ params }, { principal }) {
      const job = await ownJob(parts.jobs, principal.studio, params.jobId);
      if (!(await deleteJob(parts, job))) {
        throw new ProblemError('conflict', 'The job has not ended: cancel it first.');
      }
      parts.deleted();
      return {};
    },
  };
}
