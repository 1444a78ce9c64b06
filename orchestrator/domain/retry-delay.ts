import type { FailureClass } from '@karst/shared/protocol/task.ts';

/** First delay and longest, ms, by whose fault the failure was. */
const DELAYS_MS: Readonly<Record<FailureClass, readonly [first: number, max: number]>> = {
  task: [1_000, 60_000],
  // Another node takes it: what is to be waited for is only that this one's trouble shows.
  node: [1_000, 60_000],
  // Storage or a licence server is away: everybody who waits for it comes back.
  farm: [2_000, 120_000],
};

/**
 * How long a task waits before its next try: doubles with each failure up to a bound, so that a passing
 * fault is retried soon and a lasting one does not keep nodes busy.
 */
export function retryDelayMs(failures: number, fault: FailureClass = 'task'): number {
  const [first, max] = DELAYS_MS[fault];
  return Math.min(first * 2 ** Math.max(failures - 1, 0), max);
}
