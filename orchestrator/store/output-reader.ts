import type { OutputFile } from '@karst/shared/protocol/files.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { HistoryReader } from '../history/history-reader.ts';
import { PAGE_TASKS, pageOf } from '../history/page-name.ts';
import { acceptedOutputs } from './attempt-record.ts';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';

/** A place in a job's outputs: of `step`, behind the first `file` files of `task`. */
export interface OutputPlace {
  step: number;
  task: number;
  file: number;
}

export type PlacedOutput = OutputFile & {
  step: number;
  task: number;
  epoch: number;
  /** Of the chunk, where `task` is the first of several. */
  last?: number | undefined;
};

export interface OutputPage {
  files: PlacedOutput[];
  /** Absent at the end. */
  next: OutputPlace | undefined;
}

/** Reads accepted outputs in the order of steps, tasks and files. */
export class OutputReader {
  private readonly redis: Redis;
  private readonly history: HistoryReader;

  constructor(redis: Redis, history: HistoryReader) {
    this.redis = redis;
    this.history = history;
  }

  /** Up to `limit` files from `place` on, up to the end of step `lastStep`, or its task `lastTask`. */
  async page(
    jobId: JobId,
    place: OutputPlace,
    lastStep: number,
    limit: number,
    lastTask = Number.MAX_SAFE_INTEGER,
  ): Promise<OutputPage> {
    const files: PlacedOutput[] = [];
    let { task, file } = place;
    for (let step = place.step; step <= lastStep; step++) {
      const there = await this.tasksToLookAt(jobId, step);
      const count = step === lastStep ? Math.min(there, lastTask + 1) : there;
      while (task < count) {
        const stop = Math.min((pageOf(task) + 1) * PAGE_TASKS, count);
        for (const accepted of await this.tasks(jobId, step, task, stop)) {
          for (const output of accepted.files.slice(accepted.task === task ? file : 0)) {
            if (files.length === limit) {
              const at = accepted.files.indexOf(output);
              return { files, next: { step, task: accepted.task, file: at } };
            }
            const { epoch, last } = accepted;
            files.push({ ...output, step, task: accepted.task, epoch, last });
          }
        }
        task = stop;
        file = 0;
      }
      task = 0;
    }
    return { files, next: undefined };
  }

  /** How many tasks the step has by now; 0 where none has outputs. */
  private async tasksToLookAt(jobId: JobId, step: number): Promise<number> {
    const [here, [total = null, paged = null]] = await Promise.all([
      this.redis.exists(keys.outputs(jobId, step)),
      this.redis.hmget(keys.step(jobId, step), 'total', 'outputs_paged'),
    ]);
    return here === 1 || paged !== null ? Number(total) : 0;
  }

  /** Those of tasks from..to-1, which are of one page. */
  private async tasks(jobId: JobId, step: number, from: number, to: number) {
    const tasks = Array.from({ length: to - from }, (_, i) => from + i);
    const texts = await this.redis.hmget(keys.outputs(jobId, step), ...tasks.map(String));
    const pages = await this.history.pagesOf(jobId, step, [from], ({ hasOutputs }) => hasOutputs);
    const page = pages.get(pageOf(from));
    return tasks.flatMap((task, i) => {
      const text = texts[i] ?? null;
      const accepted = acceptedOutputs(text, page?.outputs(task));
      return accepted === undefined ? [] : [{ task, ...accepted }];
    });
  }
}
