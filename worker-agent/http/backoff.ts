import type { Random } from '@karst/shared/random.ts';

/**
 * Growing waits between tries: doubles from `leastMs` to `mostMs`, half of each wait drawn by lot so
 * that nodes cut off together do not come back together.
 */
export class Backoff {
  readonly #leastMs: number;
  readonly #random: Random;
  #failures = 0;

  constructor(random: Random, leastMs = 50) {
    this.#random = random;
    this.#leastMs = leastMs;
  }

  get failures(): number {
    return this.#failures;
  }

  nextMs(mostMs: number): number {
    const wholeMs = Math.min(mostMs, this.#leastMs * 2 ** Math.min(this.#failures, 20));
    this.#failures += 1;
    return wholeMs / 2 + (wholeMs / 2) * this.#random.unit();
  }

  reset(): void {
    this.#failures = 0;
  }
}
