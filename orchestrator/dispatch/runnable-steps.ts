import type { JobId } from '@karst/shared/protocol/ids.ts';
import { compareSteps, type RankedStep } from '../scheduler/rank.ts';

/** A step that may have spans to grant, as this replica knows it. */
export interface RunnableStep extends RankedStep {
  readonly studio: string;
  /** Changed by RunnableSteps.update alone, which keeps the order. */
  priority: number;
  /** Spans thought to wait on the queue: a hint, other replicas take from it too. */
  buffered: number;
  /** Nothing is left behind the step's cursor: only requeued spans can come. */
  allFed: boolean;
  /** Counts wake-ups, so that a step found empty is not dropped if work came meanwhile. */
  wakes: number;
  /** A feed in progress, shared by those who wait for it. */
  feeding: Promise<number> | undefined;
}

const nameOf = (jobId: JobId, step: number) => `${jobId}/${step}`;

/** This replica's steps with work, in rank order. Insertion O(log n + shift), iteration from the best. */
export class RunnableSteps {
  private readonly byName = new Map<string, RunnableStep>();
  private readonly ranked: RunnableStep[] = [];

  get size(): number {
    return this.ranked.length;
  }

  get(jobId: JobId, step: number): RunnableStep | undefined {
    return this.byName.get(nameOf(jobId, step));
  }

  add(step: RunnableStep): void {
    this.remove(step);
    this.byName.set(nameOf(step.jobId, step.step), step);
    this.ranked.splice(this.placeOf(step), 0, step);
  }

  /** Changes a listed step and puts it where it belongs now. */
  update(step: RunnableStep, change: Pick<RunnableStep, 'priority' | 'allFed'>): void {
    this.remove(step);
    Object.assign(step, change);
    this.add(step);
  }

  remove({ jobId, step }: Pick<RankedStep, 'jobId' | 'step'>): void {
    const known = this.byName.get(nameOf(jobId, step));
    if (known === undefined) return;
    this.byName.delete(nameOf(jobId, step));
    const at = this.ranked.indexOf(known, Math.max(this.placeOf(known) - 1, 0));
    this.ranked.splice(at >= 0 ? at : this.ranked.indexOf(known), 1);
  }

  /** The best step for which `skip` is false. */
  best(skip: ReadonlySet<RunnableStep>): RunnableStep | undefined {
    return skip.size === 0 ? this.ranked[0] : this.ranked.find((step) => !skip.has(step));
  }

  private placeOf(step: RankedStep): number {
    let low = 0;
    let high = this.ranked.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.ranked[middle];
      if (other !== undefined && compareSteps(other, step) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
