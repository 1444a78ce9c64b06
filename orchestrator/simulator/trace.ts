import type { JobId } from '@karst/shared/protocol/ids.ts';
import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import type { PriorityClass } from '@karst/shared/protocol/job.ts';
import type { Shape } from '../scheduler/shape.ts';

/** How long tasks of a step truly take; whole milliseconds, at least 1, the same at every call. */
export interface Durations {
  ms(task: number): number;
}

export interface TraceStep {
  readonly name: string;
  readonly tasks: number;
  readonly shape: Shape;
  /** Farm limits each lease takes one of. */
  readonly limits: readonly string[];
  /** Places of other steps of the job that must succeed first. */
  readonly dependsOn: readonly number[];
  readonly durations: Durations;
}

export interface TraceJob {
  readonly id: JobId;
  readonly studio: string;
  readonly project: string;
  readonly arrivalMs: number;
  readonly priorityClass: PriorityClass;
  readonly priority: number;
  readonly steps: readonly TraceStep[];
}

/** What a farm is asked to do. Time 0 is the beginning; jobs stand in order of arrival. */
export interface Trace {
  readonly kind: 'film' | 'alibaba-2023' | 'swf';
  readonly jobs: readonly TraceJob[];
  /** Records of the file that ask for nothing that can be replayed, by reason. */
  readonly skipped: Readonly<Record<string, number>>;
}

/** The id of job number `n` of a trace. */
export const traceJobId = (n: number): JobId =>
  jobIdSchema.parse(`job-${String(n).padStart(20, '0')}`);

/** In order of arrival; what arrives together stays in the order it had. */
export const inOrderOfArrival = (jobs: readonly TraceJob[]): TraceJob[] =>
  jobs.toSorted((a, b) => a.arrivalMs - b.arrivalMs);

/** One task of a known run time. */
export class FixedDuration implements Durations {
  private readonly taskMs: number;

  constructor(ms: number) {
    this.taskMs = Math.max(1, Math.round(ms));
  }

  ms(): number {
    return this.taskMs;
  }
}
