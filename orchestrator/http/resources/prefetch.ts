import type { JobEvents } from '../../jobs/job-events.ts';
import { type JobInputs, presigned } from '../../jobs/job-inputs.ts';
import type { ObjectStore } from '../../objects/store.ts';
import type { JobStore } from '../../store/job-store.ts';
import type { PrefetchStore } from '../../store/prefetch-store.ts';
import { type Handlers, ProblemError } from '../handler.ts';

export interface PrefetchParts {
  prefetch: PrefetchStore;
  jobs: JobStore;
  events: JobEvents;
  inputs: JobInputs;
  objects: ObjectStore;
}

/** Inputs listed ahead of a lease: only of the step that this node was told it likely gets next. */
export function prefetchHandlers(parts: PrefetchParts): Pick<Handlers, 'listPrefetchInputs'> {
  return {
    async listPrefetchInputs({ params, query }, { principal }) {
      const { jobId, stepIndex } = params;
      const told = await parts.prefetch.told(principal.nodeId);
      const isTold = told?.jobId === jobId && told.step === stepIndex;
      const job = isTold ? await parts.jobs.read(jobId) : undefined;
      const studio = await parts.events.studioOf(jobId);
      const definition = await parts.jobs.definition(jobId);
      const isOpen = job?.state === 'pending' || job?.state === 'running';
      if (!isOpen || studio === undefined || definition === undefined) {
        throw new ProblemError('not_found', 'This node was not told to fetch inputs of the step.');
      }
      const { cursor, limit } = query;
      const page = await parts.inputs.page(studio, jobId, definition, stepIndex, cursor, limit);
      return await presigned(page, parts.objects);
    },
  };
}
