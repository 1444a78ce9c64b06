import {
  type AdaptiveChunks,
  adaptedTaskCount,
  adaptiveChunks,
} from '@karst/shared/openjd/adaptive-chunks.ts';
import { taskCount } from '@karst/shared/openjd/parameter-space.ts';
import type { ResolvedStep } from '@karst/shared/openjd/resolved-job.ts';

/** Tasks that run as one action, both ends included. */
export interface Turn {
  first: number;
  last: number;
}

/**
 * A step's tasks in the order in which they run on this machine: one by one or, where chunks adapt, in
 * chunks: of the template's size until one has finished, then of the size that the run times of those
 * before tell, as OpenJD's own CLI does it.
 */
export class TaskTurns {
  readonly #chunks: AdaptiveChunks | undefined;
  readonly #tasks: readonly number[] | undefined;
  readonly #total: number;
  #at = 0;
  #size: number;
  #finishedTasks = 0;
  #finishedMs = 0;

  /** `tasks`: only these, in this order. At most `tasksMax` of them. */
  constructor(
    { parameterSpace }: Pick<ResolvedStep, 'parameterSpace'>,
    tasks: readonly number[] | undefined,
    tasksMax = Number.POSITIVE_INFINITY,
  ) {
    this.#chunks = adaptiveChunks(parameterSpace);
    this.#tasks = tasks;
    this.#total = Math.min(tasks?.length ?? taskCount(parameterSpace), tasksMax);
    this.#size = this.#chunks?.defaultTaskCount ?? 1;
  }

  /** The next tasks; undefined behind the last. */
  next(): Turn | undefined {
    if (this.#at >= this.#total) return undefined;
    const first = this.#taskAt(this.#at);
    const reach = this.#chunks?.reach(first) ?? first;
    const end = Math.min(this.#at + this.#size, this.#total);
    let last = first;
    for (this.#at += 1; this.#at < end && last < reach; this.#at += 1) {
      if (this.#taskAt(this.#at) !== last + 1) break;
      last += 1;
    }
    return { first, last };
  }

  /** The tasks of a turn have succeeded, in so many ms. */
  finished({ first, last }: Turn, ms: number): void {
    this.#finishedTasks += last - first + 1;
    this.#finishedMs += ms;
    this.#size = adaptedTaskCount(this.#size, this.#chunks?.targetRuntimeSeconds, {
      finishedTaskCount: this.#finishedTasks,
      finishedSeconds: this.#finishedMs / 1000,
    });
  }

  #taskAt(position: number): number {
    return this.#tasks?.[position] ?? position;
  }
}
