import type { TaskTimes } from '../scheduler/task-times.ts';

export interface SlowLimits {
  /** No task is slow before, ms. */
  slowMs: number;
  /** Run time that a span of several tasks should take, ms. */
  spanTargetMs: number;
}

export interface RunningTask {
  /** Since its span was granted, ms. */
  elapsedMs: number;
  /** How long the step's finished tasks took, each alone. */
  times: TaskTimes;
  /** Tasks that run as one action: more than one where chunks adapt. */
  tasksAtOnce: number;
}

const FINISHED_MIN = 5;
const TIMES_MEDIAN = 3;
const TIMES_P90 = 1.5;

/**
 * Whether a task takes far longer than its siblings did. Not by their mean: a few that hung would drag
 * it up, and nothing would be slow behind them. Where run times differ much, the long ones among them
 * tell what is usual. Tasks short enough to share a span may have waited in it for those before them.
 */
export function isSlow(
  { elapsedMs, times, tasksAtOnce }: RunningTask,
  { slowMs, spanTargetMs }: SlowLimits,
): boolean {
  if (elapsedMs <= slowMs || times.count < FINISHED_MIN) return false;
  const usualMs = Math.max(TIMES_MEDIAN * times.quantileMs(0.5), TIMES_P90 * times.quantileMs(0.9));
  const mayShare = tasksAtOnce === 1 && 2 * times.meanMs <= spanTargetMs;
  const inSpanMs = mayShare ? spanTargetMs : 0;
  return elapsedMs > Math.max(usualMs * tasksAtOnce, slowMs) + inSpanMs;
}
