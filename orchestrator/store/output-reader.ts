import type { OutputFile } from '@karst/shared/protocol/files.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import { acceptedOutputsSchema } from './attempt-record.ts';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';

/** Tasks whose outputs are read in one call. */
const TASKS_AT_ONCE = 500;

/** A place in a job's outputs: of `step`, behind the first `file` files of `task`. */
export interface OutputPlace {
  step: number;
  task: number;
  file: number;
}

export type PlacedOutput = OutputFile & { step: number; task: number; epoch: number };

export interface OutputPage {
  files: PlacedOutput[];
  /** Absent at the end. */
  next: OutputPlace | undefined;
}

/** Reads accepted outputs in the order of steps, tasks and files. */
export class OutputReader {
  private readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  /** Up to `limit` files from `place` on, up to the end of step `lastStep`. */
  async page(
    jobId: JobId,
    place: OutputPlace,
    lastStep: number,
    limit: number,
    taskCount: (step: number) => number,
  ): Promise<OutputPage> {
    const files: PlacedOutput[] = [];
    let { task, file } = place;
    for (let step = place.step; step <= lastStep; step++) {
      const count =
        (await this.redis.exists(keys.outputs(jobId, step))) === 0 ? 0 : taskCount(step);
      while (task < count) {
        const stop = Math.min(task + TASKS_AT_ONCE, count);
        for (const accepted of await this.tasks(jobId, step, task, stop)) {
          for (const output of accepted.files.slice(accepted.task === task ? file : 0)) {
            if (files.length === limit) {
              const at = accepted.files.indexOf(output);
              return { files, next: { step, task: accepted.task, file: at } };
            }
            files.push({ ...output, step, task: accepted.task, epoch: accepted.epoch });
          }
        }
        task = stop;
        file = 0;
      }
      task = 0;
    }
    return { files, next: undefined };
  }

  private async tasks(jobId: JobId, step: number, from: number, to: number) {
    const fields = Array.from({ length: to - from }, (_, i) => String(from + i));
    const texts = await this.redis.hmget(keys.outputs(jobId, step), ...fields);
    return texts.flatMap((text, i) => {
      if (text === null) return [];
      return [{ task: from + i, ...acceptedOutputsSchema.parse(JSON.parse(text)) }];
    });
  }
}
