import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { Logger } from 'pino';
import type { PreviewQueue } from '../queue/preview-queue.ts';
import { acceptedOutputs } from '../store/attempt-record.ts';
import type { StepRecord } from '../store/job-record.ts';
import type { JobStore } from '../store/job-store.ts';
import { isPicture } from './picture-paths.ts';
import { previewPolicy } from './step-policy.ts';

export interface PublishedTask {
  step: number;
  task: number;
  epoch: number;
  /** As they stand in Redis. */
  outputs: string | null;
}

const STEPS_KNOWN_MAX = 10_000;

/**
 * Asks for previews. They are an extra: whatever goes wrong here is logged, and never keeps the caller
 * from its own work. What is asked for twice is made once.
 */
export class PreviewFeed {
  private readonly queue: PreviewQueue;
  private readonly jobs: JobStore;
  private readonly logger: Logger;
  /** Steps with pictures, as far as this replica published them: for those that end without one. */
  private readonly pictured = new Set<string>();

  constructor(parts: { previewQueue: PreviewQueue; jobs: JobStore; logger: Logger }) {
    this.queue = parts.previewQueue;
    this.jobs = parts.jobs;
    this.logger = parts.logger;
  }

  /** The outputs of these tasks of a job are in the studio's view. */
  async published(jobId: JobId, tasks: readonly PublishedTask[]): Promise<void> {
    await this.tried(async () => {
      const all = tasks.filter(({ outputs, epoch }) => {
        const accepted = acceptedOutputs(outputs, undefined);
        return accepted?.epoch === epoch && accepted.files.some(({ path }) => isPicture(path));
      });
      const steps = await this.wanted(jobId, new Set(all.map(({ step }) => step)));
      const pictured = all.filter(({ step }) => steps.has(step));
      await this.queue.add(
        pictured.map(({ step, task, epoch }) => ({ kind: 'task', jobId, step, task, epoch })),
      );
      if (this.pictured.size > STEPS_KNOWN_MAX) this.pictured.clear();
      for (const [step, { ended_at: endedAtMs }] of steps) {
        this.pictured.add(`${jobId}/${step}`);
        if (endedAtMs !== undefined) await this.stepWanted(jobId, step, endedAtMs);
      }
    });
  }

  /** All of a job that has ended is published. */
  async jobEnded(jobId: JobId, stepCount: number): Promise<void> {
    await this.tried(async () => {
      const steps = [...Array(stepCount).keys()];
      await this.stepsEnded(
        jobId,
        steps.filter((step) => this.pictured.has(`${jobId}/${step}`)),
      );
    });
  }

  /** Somebody asks for what is made of a step that has ended. */
  async stepWanted(jobId: JobId, step: number, endedAtMs: number): Promise<void> {
    await this.tried(() => this.queue.add([{ kind: 'step', jobId, step, endedAtMs }]));
  }

  /** Of these steps, those whose policy wants previews. */
  private async wanted(jobId: JobId, steps: ReadonlySet<number>): Promise<Map<number, StepRecord>> {
    const wanted = new Map<number, StepRecord>();
    const job = steps.size === 0 ? undefined : await this.jobs.read(jobId);
    if (job === undefined) return wanted;
    for (const step of steps) {
      const record = await this.jobs.step(jobId, step);
      if (record !== undefined && previewPolicy(job, record.name).make) wanted.set(step, record);
    }
    return wanted;
  }

  /** Of these steps, those that have ended. */
  private async stepsEnded(jobId: JobId, steps: Iterable<number>): Promise<void> {
    for (const step of steps) {
      const endedAtMs = (await this.jobs.step(jobId, step))?.ended_at;
      if (endedAtMs !== undefined) await this.stepWanted(jobId, step, endedAtMs);
    }
  }

  private async tried(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.logger.warn({ err: String(error) }, 'previews were not asked for');
    }
  }
}
