import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { RunnableStep } from '../dispatch/runnable-steps.ts';

/** Since when steps have been among those with work, and a call when one has waited long enough. */
export class WaitingClock {
  private readonly clock: Clock;
  private readonly afterMs: number;
  private readonly due: () => void;
  private readonly stop = new AbortController();
  private readonly since = new WeakMap<RunnableStep, number>();
  private armed = false;

  /** `due` is called when a step that was noticed, or that wakeFor() was told of, has waited `afterMs`. */
  constructor(clock: Clock, afterMs: number, due: () => void) {
    this.clock = clock;
    this.afterMs = afterMs;
    this.due = due;
  }

  /** A step has work from now on. */
  noticed(step: RunnableStep): void {
    this.since.set(step, this.clock.monotonicMs());
    // A background step goes before nothing, unless its studio is owed: the pass looks for that.
    if (step.priorityClass !== 'background') this.arm(this.afterMs);
  }

  /** How much longer the step has to wait before others make room for it, ms; 0: no longer. */
  leftMs(step: RunnableStep): number {
    const sinceMs = this.since.get(step);
    return sinceMs === undefined
      ? this.afterMs
      : Math.max(0, sinceMs + this.afterMs - this.clock.monotonicMs());
  }

  /** Calls once more when `ms` have passed, unless a call is due anyway. */
  arm(ms: number): void {
    if (this.armed || this.stop.signal.aborted) return;
    this.armed = true;
    sleep(ms + 5, this.stop.signal).then(
      () => {
        this.armed = false;
        this.due();
      },
      () => undefined,
    );
  }

  close(): void {
    this.stop.abort();
  }
}
