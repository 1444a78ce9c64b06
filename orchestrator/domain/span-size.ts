export interface SpanSizeFacts {
  /** Tasks not yet in a span. */
  remaining: number;
  /** Slots that could run this step. */
  slots: number;
  /** Mean run time of the step's finished tasks, ms; undefined until one has finished. */
  meanTaskMs: number | undefined;
}

export interface SpanSizeLimits {
  /** Run time a span should take, ms. */
  targetMs: number;
  /** Most tasks in one span. */
  tasksMax: number;
}

/** Spans each slot should still get after this one, so that the tail is shared evenly. */
const SPANS_PER_SLOT = 3;

/**
 * Guided self-scheduling (Polychronopoulos and Kuck, 1987): a span takes remaining / (k x slots)
 * tasks, bounded by the target run time, and shrinks to one task at the tail. Until run times are
 * known a span is one task: it may take hours.
 */
export function spanSize(facts: SpanSizeFacts, limits: SpanSizeLimits): number {
  if (facts.meanTaskMs === undefined) return 1;
  const share = Math.ceil(facts.remaining / (SPANS_PER_SLOT * Math.max(facts.slots, 1)));
  const inTime = Math.floor(limits.targetMs / Math.max(facts.meanTaskMs, 0.01));
  return Math.max(1, Math.min(share, inTime, limits.tasksMax));
}
