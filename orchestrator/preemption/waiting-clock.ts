import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { RunnableStep } from '../dispatch/runnable-steps.ts';
import { LookAgain } from '../scheduler/overdue.ts';

/** Since when steps have been among those with work, and a call when one has waited long enough. */
export class WaitingClock {
  private readonly clock: Clock;
  private readonly afterMs: number;
  private readonly due: () => void;
  private readonly since = new WeakMap<RunnableStep, number>();
  private readonly lookAgain = new LookAgain();
  private armed: { atMs: number; stop: AbortController } | undefined;
  private closed = false;

  /** `due` is called when a step has waited `afterMs`, and when arm() says. */
  constructor(clock: Clock, afterMs: number, due: () => void) {
    this.clock = clock;
    this.afterMs = afterMs;
    this.due = due;
  }

  /** A step has work from now on. */
  noticed(step: RunnableStep): void {
    this.since.set(step, this.clock.monotonicMs());
    // A background step goes before nothing, unless its studio is owed: the pass looks for that.
    if (step.priorityClass === 'background') return;
    this.lookAgain.soon();
    this.arm(this.afterMs);
  }

  /** How much longer the step has to wait before others make room for it, ms; 0: no longer. */
  leftMs(step: RunnableStep): number {
    const sinceMs = this.since.get(step);
    return sinceMs === undefined
      ? this.afterMs
      : Math.max(0, sinceMs + this.afterMs - this.clock.monotonicMs());
  }

  /** Steps have waited long enough and still do; `helped`: room is being made for one. */
  again(helped: boolean): void {
    this.arm(this.lookAgain.nextMs(helped));
  }

  /** Calls when `ms` have passed, unless a call is due before. */
  arm(ms: number): void {
    const atMs = this.clock.monotonicMs() + ms + 5;
    if (this.closed || (this.armed !== undefined && this.armed.atMs <= atMs)) return;
    this.armed?.stop.abort();
    const stop = new AbortController();
    this.armed = { atMs, stop };
    sleep(ms + 5, stop.signal).then(
      () => {
        this.armed = undefined;
        this.due();
      },
      () => undefined,
    );
  }

  close(): void {
    this.closed = true;
    this.armed?.stop.abort();
  }
}
