import type { Clock } from '@karst/shared/clock.ts';

/**
 * The orchestrator's wall clock as this node knows it. A node whose own clock is wrong signs tokens
 * by this one and works all the same.
 */
export class ServerClock {
  readonly #clock: Clock;
  #offsetMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Server time minus this node's time, milliseconds. */
  get offsetMs(): number {
    return this.#offsetMs;
  }

  nowMs(): number {
    return this.#clock.nowMs() + this.#offsetMs;
  }

  /** From an answer's `serverTimeMs`, just received; off by the answer's way at most. */
  learn(serverTimeMs: number): void {
    this.#offsetMs = serverTimeMs - this.#clock.nowMs();
  }

  /** From a `Date` header (whole seconds). A header that is no date changes nothing. */
  learnFromDate(header: string | undefined): void {
    const dateMs = Date.parse(header ?? '');
    if (!Number.isNaN(dateMs)) this.learn(dateMs);
  }
}
