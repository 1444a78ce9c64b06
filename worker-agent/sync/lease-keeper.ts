import { type Clock, sleep } from '@karst/shared/clock.ts';

/**
 * This much before the deadline the agent ends its tasks itself; at the deadline the spawn helper does,
 * in case the agent is frozen.
 */
const earlyMs = 250;

/**
 * Knows until when this node's leases are surely its own: `livenessMs` after the last answered call
 * was *sent*, on the monotonic clock (which keeps counting while the process is stopped).
 */
export class LeaseKeeper {
  readonly #clock: Clock;
  readonly #onPassed: () => void;
  #deadlineMs = Number.POSITIVE_INFINITY;
  #passed = false;

  /** `onPassed` is called once for each time the deadline passes: kill everything. */
  constructor(clock: Clock, onPassed: () => void) {
    this.#clock = clock;
    this.#onPassed = onPassed;
  }

  /** A call sent at `sentAtMs` (monotonic) has been answered. */
  answered(sentAtMs: number, livenessMs: number): void {
    const deadlineMs = sentAtMs + livenessMs - earlyMs;
    const unknown = this.#deadlineMs === Number.POSITIVE_INFINITY;
    if (!unknown && deadlineMs <= this.#deadlineMs) return;
    this.#deadlineMs = deadlineMs;
    this.#passed = false;
  }

  /** Until the deadline, ms; 0 when it has passed. */
  leftMs(): number {
    return Math.max(this.#deadlineMs - this.#clock.monotonicMs(), 0);
  }

  /** To be asked before anything is sent or started: a frozen process may wake up past it. */
  check(): void {
    if (this.#passed || this.#clock.monotonicMs() < this.#deadlineMs) return;
    this.#passed = true;
    this.#onPassed();
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.check();
      const leftMs = this.#deadlineMs - this.#clock.monotonicMs();
      // An answer may set a deadline sooner than a long sleep would notice.
      await sleep(leftMs > 0 ? Math.min(leftMs, 1000) : 1000, signal).catch(() => undefined);
    }
  }
}
