import type { OutputDownload } from '@karst/shared/protocol/files.ts';
import type { JobId, StudioId } from '@karst/shared/protocol/ids.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import { objectKeys } from '../../objects/keys.ts';
import type { ObjectStore } from '../../objects/store.ts';
import type { JobStore } from '../../store/job-store.ts';
import type { OutputReader } from '../../store/output-reader.ts';
import { type Handlers, ProblemError } from '../handler.ts';
import { ownJob } from './jobs.ts';

/** A listing's place: the step's index, the next task, and how many of its files were listed. */
const CURSOR = /^(\d{1,9})\.(\d{1,12})\.(\d{1,9})$/;

/** A studio's own job, and which of its steps is asked for. */
export interface ChosenOutputs {
  job: Job;
  steps: readonly { name: string }[];
  /** Its index; -1: all of them. */
  only: number;
}

/** Throws ProblemError not_found. */
export async function chosenOutputs(
  jobs: JobStore,
  studio: StudioId,
  jobId: JobId,
  step: string | undefined,
): Promise<ChosenOutputs> {
  const job = await ownJob(jobs, studio, jobId);
  const definition = await jobs.definition(job.id);
  const steps = definition?.job.steps ?? [];
  const only = step === undefined ? -1 : steps.findIndex(({ name }) => name === step);
  if (step !== undefined && only < 0) {
    throw new ProblemError('not_found', `The job has no step "${step}".`);
  }
  return { job, steps, only };
}

export function outputHandlers(parts: {
  jobs: JobStore;
  outputs: OutputReader;
  objects: ObjectStore;
}): Pick<Handlers, 'listOutputs'> {
  const { jobs, outputs, objects } = parts;

  async function link(
    studio: StudioId,
    jobId: JobId,
    file: { step: number; task: number; epoch: number; path: string },
  ): Promise<string> {
    const key = objectKeys.attempt(studio, jobId, file.step, file.task, file.epoch, file.path);
    const name = file.path.split('/').at(-1);
    return await objects.presignGet(key, name === undefined ? {} : { downloadAs: name });
  }

  return {
    async listOutputs({ params, query }, { principal }) {
      const chosen = await chosenOutputs(jobs, principal.studio, params.jobId, query.step);
      const { job, steps, only } = chosen;
      if (only < 0 && (query.firstTask ?? query.lastTask) !== undefined) {
        throw new ProblemError('invalid_request', 'found tasks without their step', [
          { path: ['query', 'step'], message: 'expected with firstTask and lastTask' },
        ]);
      }
      const place = { step: Math.max(only, 0), task: query.firstTask ?? 0, file: 0 };
      if (query.cursor !== undefined) {
        const [, step, task, file] = CURSOR.exec(query.cursor) ?? [];
        if (step === undefined) {
          throw new ProblemError('invalid_request', 'found an odd cursor', [
            { path: ['query', 'cursor'], message: "expected a previous page's nextCursor" },
          ]);
        }
        Object.assign(place, { step: Number(step), task: Number(task), file: Number(file) });
      }
      const lastStep = only < 0 ? steps.length - 1 : only;
      const page = await outputs.page(job.id, place, lastStep, query.limit, query.lastTask);
      const items: OutputDownload[] = await Promise.all(
        page.files.map(async (file) => ({
          step: steps[file.step]?.name ?? '',
          task: file.task,
          path: file.path,
          sha256: file.sha256,
          sizeBytes: file.sizeBytes,
          url: await link(principal.studio, job.id, file),
        })),
      );
      if (page.next === undefined) return { items };
      const { step, task, file } = page.next;
      return { items, nextCursor: `${step}.${task}.${file}` };
    },
  };
}
