import type { FarmFile } from '@karst/shared/simulation/farm-file.ts';
import { retryDelayMs } from '../domain/retry-delay.ts';
import type { Observer } from './observer.ts';
import type { SimLease } from './sim-node.ts';
import type { SimStep, Span, TaskTry } from './sim-step.ts';

/** As the farm's: a task that lost so many nodes has failed. */
const FAULTS_PER_TASK_MAX = 10;

/** What follows from a task's end, done by the engine. */
export interface Effects {
  retry(step: SimStep, span: Span, afterMs: number): void;
  giveBack(step: SimStep, span: Span): void;
  /** So many tasks have ended for good. */
  ended(step: SimStep, tasks: number): void;
  /** All it depends on has succeeded. */
  ready(step: SimStep): void;
}

/** What becomes of the tasks of a lease, of their step and of its job. */
export class TaskEnds {
  private readonly farm: FarmFile;
  private readonly observer: Observer;
  private readonly effects: Effects;

  constructor(farm: FarmFile, observer: Observer, effects: Effects) {
    this.farm = farm;
    this.observer = observer;
    this.effects = effects;
  }

  /** How long a lease takes if nothing comes between, ms: its tasks one after the other. */
  durationMs({ step, span }: SimLease): number {
    let total = 0;
    for (const { task, failures } of triesOf(span))
      total += Math.abs(this.outcome(step, task, failures));
    return total;
  }

  /** The lease ran to its end. */
  finished(lease: SimLease, nowMs: number): void {
    const { step, span } = lease;
    let atMs = lease.startedAtMs;
    for (const tried of triesOf(span)) {
      this.starts(step, tried, atMs);
      const outcomeMs = this.outcome(step, tried.task, tried.failures);
      atMs += Math.abs(outcomeMs);
      this.ends(step, tried, outcomeMs);
    }
    this.closeIfDone(step, nowMs);
  }

  /** Its node went. */
  lost(lease: SimLease, nowMs: number): void {
    this.cut(lease, nowMs, (tried, ranMs) => {
      this.observer.taskLost(lease.step, tried.task, ranMs);
      return { ...tried, faults: tried.faults + 1 };
    });
  }

  /** It was ended for others: nobody's fault. */
  preempted(lease: SimLease, nowMs: number): void {
    this.cut(lease, nowMs, (tried, ranMs) => {
      this.observer.taskPreempted(lease.step, tried.task, ranMs);
      return tried;
    });
  }

  /** What had ended has ended, the task that ran is to run anew as `next` says, the rest waits as before. */
  private cut(
    lease: SimLease,
    nowMs: number,
    next: (tried: TaskTry, ranMs: number) => TaskTry,
  ): void {
    const { step, span } = lease;
    let atMs = lease.startedAtMs;
    const back: TaskTry[] = [];
    for (const tried of triesOf(span)) {
      const outcomeMs = this.outcome(step, tried.task, tried.failures);
      const endMs = atMs + Math.abs(outcomeMs);
      if (endMs <= nowMs) {
        this.starts(step, tried, atMs);
        this.ends(step, tried, outcomeMs);
      } else if (atMs <= nowMs) {
        this.starts(step, tried, atMs);
        const again = next(tried, nowMs - atMs);
        if (again.faults >= FAULTS_PER_TASK_MAX) this.fails(step, tried.task, nowMs - atMs);
        else back.push({ ...again, hasStarted: true });
      } else back.push(tried);
      atMs = endMs;
    }
    const [first] = back;
    if (first !== undefined) {
      this.effects.giveBack(step, { first: first.task, count: back.length, tries: back });
    }
    this.closeIfDone(step, nowMs);
  }

  closeIfDone(step: SimStep, nowMs: number): void {
    if (step.isClosed || step.ended < step.trace.tasks) return;
    this.close(step, nowMs);
    for (const other of step.job.steps) {
      if (!other.trace.dependsOn.includes(step.step) || other.isClosed) continue;
      if (step.hasFailed) this.cancel(other, nowMs);
      else if (--other.blockedBy === 0) this.effects.ready(other);
    }
  }

  /** A step that waited for one that failed: none of its tasks has run. */
  private cancel(step: SimStep, nowMs: number): void {
    if (step.isClosed || step.isStranded) return;
    step.hasFailed = true;
    for (let task = 0; task < step.trace.tasks; task++) {
      this.observer.taskEnded(step, task, 'canceled', 0);
    }
    step.ended = step.trace.tasks;
    this.effects.ended(step, step.trace.tasks);
    this.closeIfDone(step, nowMs);
  }

  private close(step: SimStep, nowMs: number): void {
    step.isClosed = true;
    step.job.stepsLeft--;
    if (step.job.stepsLeft === 0) this.observer.jobEnded(step.job, nowMs);
  }

  private outcome(step: SimStep, task: number, failures: number): number {
    return step.outcomeMs(task, failures, this.farm.tasks.failurePercent);
  }

  private starts(step: SimStep, { task, hasStarted }: TaskTry, atMs: number): void {
    if (!hasStarted) this.observer.taskStarted(step, task, atMs - step.readyAtMs);
  }

  private ends(step: SimStep, { task, failures, faults }: TaskTry, outcomeMs: number): void {
    if (outcomeMs > 0) {
      step.learn(outcomeMs);
      this.done(step, task, 'succeeded', outcomeMs);
    } else if (failures + 1 > this.farm.tasks.maxRetriesPerTask) this.fails(step, task, -outcomeMs);
    else {
      const next = { task, failures: failures + 1, faults, hasStarted: true };
      this.observer.taskRetries(step, task);
      this.effects.retry(
        step,
        { first: task, count: 1, tries: [next] },
        retryDelayMs(failures + 1),
      );
    }
  }

  private fails(step: SimStep, task: number, runMs: number): void {
    step.hasFailed = true;
    step.job.hasFailed = true;
    this.done(step, task, 'failed', runMs);
  }

  private done(step: SimStep, task: number, end: 'succeeded' | 'failed', runMs: number): void {
    step.ended++;
    this.effects.ended(step, 1);
    this.observer.taskEnded(step, task, end, runMs);
  }
}

function* triesOf({ first, count, tries }: Span): Generator<TaskTry> {
  if (tries !== undefined) yield* tries;
  else {
    for (let task = first; task < first + count; task++) {
      yield { task, failures: 0, faults: 0, hasStarted: false };
    }
  }
}
