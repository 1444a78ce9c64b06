/** A leased span, as far as it matters for reruns. */
export interface LeasedTasks {
  spanId: number;
  grantedAtMs: number;
  /** The other span of the same tasks; 0: there was one. */
  partner?: number;
}

/** Share of a step's running tasks that may have a rerun at once; one always may. */
const SHARE_MAX = 0.1;

/**
 * Which leases of a step get a rerun beside them now: those that run longest of the flagged ones, each
 * once, and so few at once that a step that is slow as a whole does not take the farm twice. `queued`:
 * its reruns that wait for a node.
 */
export function spansToRerun<S extends LeasedTasks>(
  leased: readonly S[],
  queued: number,
  isFlagged: (span: S) => boolean,
): S[] {
  // A rerun is made after its original.
  const reruns = leased.filter(({ spanId, partner = 0 }) => partner > 0 && partner < spanId).length;
  const most = Math.max(1, Math.floor(SHARE_MAX * (leased.length - reruns)));
  const room = Math.max(0, most - reruns - queued);
  if (room === 0) return [];
  return leased
    .filter((span) => span.partner === undefined && isFlagged(span))
    .sort((a, b) => a.grantedAtMs - b.grantedAtMs)
    .slice(0, room);
}
