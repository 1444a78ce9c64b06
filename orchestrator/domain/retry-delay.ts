const FIRST_DELAY_MS = 1_000;
const DELAY_MS_MAX = 60_000;

/**
 * How long a task waits before its next try: doubles with each failure, from 1 s to at most 60 s, so
 * that a passing fault is retried soon and a lasting one does not keep nodes busy.
 */
export function retryDelayMs(failures: number): number {
  return Math.min(FIRST_DELAY_MS * 2 ** Math.max(failures - 1, 0), DELAY_MS_MAX);
}
