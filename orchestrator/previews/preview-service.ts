import type { PreviewWork } from '../queue/preview-queue.ts';
import type { JobStore } from '../store/job-store.ts';
import type { OutputReader } from '../store/output-reader.ts';
import type { PicturePreviewer } from './picture-previewer.ts';
import { picturesOfTask } from './step-pictures.ts';
import { previewPolicy } from './step-policy.ts';
import type { StepPreviewer } from './step-previewer.ts';

/** Does a piece of work from the queue. Whatever is no longer so, a requeued task's pictures, is left. */
export function previewService(parts: {
  jobs: JobStore;
  outputs: OutputReader;
  pictures: PicturePreviewer;
  steps: StepPreviewer;
}): (work: PreviewWork) => Promise<void> {
  const { jobs, outputs, pictures, steps } = parts;
  return async (work) => {
    const { jobId, step } = work;
    const job = await jobs.read(jobId);
    const record = await jobs.step(jobId, step);
    if (job === undefined || record === undefined) return;
    const { make, framesPerSecond } = previewPolicy(job, record.name);
    if (!make) return;
    const at = { studio: job.studio, jobId, step, stepName: record.name };
    if (work.kind === 'step') {
      if (record.ended_at === work.endedAtMs) {
        await steps.previewStep({ ...at, endedAtMs: work.endedAtMs, framesPerSecond });
      }
      return;
    }
    const files = await picturesOfTask(outputs, jobId, step, work.task);
    if (files[0]?.epoch === work.epoch) {
      await pictures.previewTask({ ...at, task: work.task, epoch: work.epoch }, files);
    }
  };
}
