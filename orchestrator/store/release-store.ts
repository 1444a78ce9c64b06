import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { FrameNeed } from '../domain/frame-needs.ts';
import type { Redis } from './connection.ts';
import { type Effects, parseEffects } from './effects.ts';
import { keys } from './keys.ts';
import { asArray, asInteger } from './reply.ts';
import { loadScript } from './script.ts';

const releaseTasksScript = loadScript('release_tasks');
const cancelUnfedScript = loadScript('cancel_unfed');

/** What single tasks of other steps may have waited for. */
export interface Release {
  /** As listed, to be struck off by. */
  text: string;
  step: number;
  /** Tasks done; absent: the step has ended, or what waits for it was reopened. */
  tasks: { first: number; last: number } | undefined;
}

/** Tasks that wait for single tasks of other steps. */
export class ReleaseStore {
  private readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  /** The oldest of a job's list. */
  async list(jobId: JobId, limit: number): Promise<Release[]> {
    const texts = await this.redis.lrange(keys.releases(jobId), 0, limit - 1);
    return texts.map((text) => {
      const [step, first, last] = text.split(' ').map(Number);
      if (step === undefined || first === undefined || last === undefined) {
        throw new TypeError(`redis: odd release "${text}"`);
      }
      return { text, step, tasks: first < 0 ? undefined : { first, last } };
    });
  }

  /** Once all has been done that follows from it. */
  async strikeOff(jobId: JobId, { text }: Release): Promise<void> {
    await this.redis.lrem(keys.releases(jobId), 1, text);
  }

  /** Which of the step's tasks were never in a span, ascending. */
  async unfed(jobId: JobId, step: number, taskCount: number): Promise<number[]> {
    const fed = await this.redis.getBuffer(keys.fed(jobId, step));
    const tasks: number[] = [];
    for (let task = 0; task < taskCount; task++) {
      const byte = fed?.[Math.floor(task / 8)] ?? 0;
      if (((byte >> (7 - (task % 8))) & 1) === 0) tasks.push(task);
    }
    return tasks;
  }

  /** Makes spans of up to `size` tasks of those that have all they need; the spans are to be queued. */
  async releaseTasks(
    jobId: JobId,
    step: number,
    size: number,
    tasks: readonly { task: number; needs: readonly FrameNeed[] }[],
  ): Promise<number[]> {
    const words = tasks.flatMap(({ task, needs }) => [
      task,
      needs.length,
      ...needs.flatMap((need) =>
        'all' in need ? [need.dependency, -1, -1] : [need.dependency, need.first, need.last],
      ),
    ]);
    const stepKeys = { job_key: keys.job(jobId), step_key: keys.step(jobId, step) };
    const reply = await releaseTasksScript.run(this.redis, stepKeys, { size }, words);
    return asArray(reply).map(asInteger);
  }

  /** Cancels what of a step was never fed, if `dependency` has ended without success. */
  async cancelUnfed(
    jobId: JobId,
    step: number,
    dependency: number,
    nowMs: number,
  ): Promise<{ canceled: number; effects: Effects }> {
    const [canceled, effects] = asArray(
      await cancelUnfedScript.run(
        this.redis,
        {
          job_key: keys.job(jobId),
          step_key: keys.step(jobId, step),
          dependency_key: keys.step(jobId, dependency),
        },
        { step_index: step, now_ms: nowMs },
      ),
    );
    return { canceled: asInteger(canceled), effects: parseEffects(effects) };
  }
}
