import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { PriorityClass } from '@karst/shared/protocol/job.ts';
import type { WaitingStep } from '../scheduler/ranking.ts';
import type { Shape } from '../scheduler/shape.ts';
import { subkey, unitOf } from './random-stream.ts';
import type { TraceJob, TraceStep } from './trace.ts';

/** A task that has run before, or was to: what its next try must know. */
export interface TaskTry {
  readonly task: number;
  /** Times it failed by its own fault. */
  readonly failures: number;
  /** Times its node was lost under it. */
  readonly faults: number;
  readonly hasStarted: boolean;
}

/** Tasks leased together: `count` from `first`, never tried, or those of `tries`. */
export interface Span {
  readonly first: number;
  readonly count: number;
  readonly tries?: readonly TaskTry[];
}

/** A job that has arrived. */
export class SimJob {
  readonly trace: TraceJob;
  readonly steps: SimStep[];
  stepsLeft: number;
  startedAtMs: number | undefined;
  hasFailed = false;

  constructor(trace: TraceJob, key: number) {
    this.trace = trace;
    this.steps = trace.steps.map((step, at) => new SimStep(this, step, at, subkey(key, at)));
    this.stepsLeft = this.steps.length;
  }
}

/** A step of it: a definition, a cursor, and what came back. Nothing is kept for a waiting task. */
export class SimStep implements WaitingStep {
  readonly job: SimJob;
  readonly trace: TraceStep;
  readonly jobId: JobId;
  readonly step: number;
  readonly studio: string;
  readonly project: string;
  readonly shape: Shape;
  readonly createdAtMs: number;
  priorityClass: PriorityClass;
  priority: number;
  gates: readonly string[] = [];
  readyAtMs = 0;
  /** Steps it depends on that have not succeeded. */
  blockedBy: number;
  /** No node of the farm, and no ceiling, will ever let it run. */
  isStranded = false;
  isClosed = false;
  /** A task of it failed for good, or it waited for a step of which one did. */
  hasFailed = false;
  /** True time of its next task as the shortest-first oracle last saw it; of no other's concern. */
  orderMs = 0;
  ended = 0;
  private readonly key: number;
  private cursor = 0;
  private readonly returned: Span[] = [];
  private finished = 0;
  private finishedMs = 0;

  constructor(job: SimJob, trace: TraceStep, step: number, key: number) {
    this.job = job;
    this.trace = trace;
    this.key = key;
    this.jobId = job.trace.id;
    this.step = step;
    this.studio = job.trace.studio;
    this.project = job.trace.project;
    this.shape = trace.shape;
    this.createdAtMs = job.trace.arrivalMs;
    this.priorityClass = job.trace.priorityClass;
    this.priority = job.trace.priority;
    this.blockedBy = trace.dependsOn.length;
  }

  get hasWork(): boolean {
    return this.returned.length > 0 || this.cursor < this.trace.tasks;
  }

  /** Tasks that no span has held yet. */
  get untouched(): number {
    return this.trace.tasks - this.cursor;
  }

  /** Leases it could start at once. */
  get startable(): number {
    return this.untouched + this.returned.length;
  }

  /** Mean run time of its finished tasks, ms. */
  get meanTaskMs(): number | undefined {
    return this.finished === 0 ? undefined : this.finishedMs / this.finished;
  }

  /** True run time of the task that would be leased next, ms. */
  get nextTaskMs(): number {
    const [span] = this.returned;
    return this.trace.durations.ms(span?.tries?.[0]?.task ?? span?.first ?? this.cursor);
  }

  /** The next span: what came back goes first, else `size` new tasks. */
  take(size: number): Span {
    const back = this.returned.shift();
    if (back !== undefined) return back;
    const count = Math.min(size, this.untouched);
    const span = { first: this.cursor, count };
    this.cursor += count;
    return span;
  }

  putBack(span: Span): void {
    this.returned.push(span);
  }

  /** What a task's next try comes to: it succeeds after so many ms, or fails after minus so many. */
  outcomeMs(task: number, failures: number, failurePercent: number): number {
    const ms = this.trace.durations.ms(task);
    if (failurePercent <= 0) return ms;
    const draw = subkey(subkey(this.key, task), failures);
    if (unitOf(draw, 0) * 100 >= failurePercent) return ms;
    return -Math.max(1, Math.round(ms * unitOf(draw, 1)));
  }

  learn(ms: number): void {
    this.finished++;
    this.finishedMs += ms;
  }
}
