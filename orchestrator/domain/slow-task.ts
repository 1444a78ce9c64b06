export interface SlowLimits {
  /** No task is slow before, ms. */
  slowMs: number;
  /** Run time that a span of several tasks should take, ms. */
  spanTargetMs: number;
}

export interface RunningTask {
  /** Since its span was granted, ms. */
  elapsedMs: number;
  /** Tasks of the step that have finished, and their mean run time, ms. */
  finished: number;
  meanMs: number | undefined;
  /** Tasks that run as one action: more than one where chunks adapt. */
  tasksAtOnce: number;
}

const FINISHED_MIN = 5;
const TIMES_MEAN = 3;

/**
 * Whether a task takes far longer than its siblings did. Tasks short enough to share a span may have
 * waited in it for those before them.
 */
export function isSlow(
  { elapsedMs, finished, meanMs, tasksAtOnce }: RunningTask,
  { slowMs, spanTargetMs }: SlowLimits,
): boolean {
  if (meanMs === undefined || finished < FINISHED_MIN) return false;
  const inSpanMs = tasksAtOnce === 1 && 2 * meanMs <= spanTargetMs ? spanTargetMs : 0;
  return elapsedMs > Math.max(TIMES_MEAN * meanMs * tasksAtOnce, slowMs) + inSpanMs;
}
