import type { JobId } from '@karst/shared/protocol/ids.ts';
import { PAGE_TASKS } from '../history/page-name.ts';
import type { Redis } from './connection.ts';
import { type Effects, parseEffects } from './effects.ts';
import { keys } from './keys.ts';
import { asArray, asInteger, asText } from './reply.ts';
import { loadScript } from './script.ts';

const cancelJobScript = loadScript('cancel_job');
const pauseJobScript = loadScript('pause_job');
const releaseStepScript = loadScript('release_step');
const retryStepScript = loadScript('retry_step');
const requeueTaskScript = loadScript('requeue_task');

/** What people do to jobs. `stateBefore` is '' when there is no such job. */
export class ControlStore {
  private readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  async cancel(jobId: JobId, nowMs: number): Promise<{ stateBefore: string; effects: Effects }> {
    const reply = asArray(
      await cancelJobScript.run(this.redis, { job_key: keys.job(jobId) }, { now_ms: nowMs }),
    );
    return { stateBefore: asText(reply[0]), effects: parseEffects(reply[1]) };
  }

  async setPaused(jobId: JobId, paused: boolean): Promise<string> {
    return asText(
      await pauseJobScript.run(this.redis, { job_key: keys.job(jobId) }, { pause: paused ? 1 : 0 }),
    );
  }

  /** Ends a step's hold; answers whether it was held. */
  async releaseStep(jobId: JobId, step: number): Promise<boolean> {
    const reply = await releaseStepScript.run(
      this.redis,
      { job_key: keys.job(jobId), step_key: keys.step(jobId, step) },
      { step_index: step },
    );
    return asInteger(reply) === 1;
  }

  /** Lets a step's failed and canceled tasks wait again; the new spans are to be queued. */
  async retryStep(
    jobId: JobId,
    step: number,
    nowMs: number,
    spanTasksMax: number,
  ): Promise<{ retried: number; effects: Effects; spanIds: number[] }> {
    const reply = asArray(
      await retryStepScript.run(
        this.redis,
        { job_key: keys.job(jobId), step_key: keys.step(jobId, step) },
        { step_index: step, now_ms: nowMs, span_tasks_max: spanTasksMax },
      ),
    );
    return {
      retried: asInteger(reply[0]),
      effects: parseEffects(reply[1]),
      spanIds: reply.slice(2).map(asInteger),
    };
  }

  /** Runs one task again; the span, if not 0, is to be queued. */
  async requeueTask(
    jobId: JobId,
    step: number,
    task: number,
    nowMs: number,
  ): Promise<{ stateBefore: string; effects: Effects; spanId: number }> {
    const reply = asArray(
      await requeueTaskScript.run(
        this.redis,
        { job_key: keys.job(jobId), step_key: keys.step(jobId, step) },
        { step_index: step, task, now_ms: nowMs, page_tasks: PAGE_TASKS },
      ),
    );
    return {
      stateBefore: asText(reply[0]),
      effects: parseEffects(reply[1]),
      spanId: asInteger(reply[2]),
    };
  }
}
