const longestPollMs = 25_000;
/** A wake-up may get lost that tells a gang to begin. */
const readyPollMs = 1000;

/**
 * How long a call may wait, ms. Short of liveness, so that a poll that waits its time out still renews
 * the leases in time; the first one with leases too, though they may have come at the end of a longer
 * poll without. `isReady`: a lease waits for its gang. `leftMs`: until the leases may be lost.
 */
export function pollMs(facts: {
  holds: boolean;
  isReady: boolean;
  livenessMs: number;
  leftMs: number;
}): number {
  const { holds, isReady, livenessMs, leftMs } = facts;
  const safeMs = holds ? Math.min(livenessMs / 3, leftMs / 2) : (3 * livenessMs) / 4;
  return Math.max(Math.floor(Math.min(isReady ? readyPollMs : longestPollMs, safeMs)), 1);
}
