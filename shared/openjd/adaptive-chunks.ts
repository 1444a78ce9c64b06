import { runsOf } from './chunks.ts';
import { type IntRange, nthInRange, printIntRange, sliceRange } from './int-range.ts';
import type { ResolvedChunks } from './resolved-job.ts';

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** The next chunk that begins at value number `from`, of at most `taskCount` values. */
export interface TakenChunk {
  readonly value: string;
  /** How many values it holds; the next chunk begins at from + this. */
  readonly valueCount: bigint;
}

/**
 * Cuts chunks one after the other from a range, each of the size asked for at that moment: what a
 * scheduler does that adapts chunks to their run time. 0 ≤ from < range.length, taskCount ≥ 1.
 */
export function takeChunk(
  range: IntRange,
  rangeConstraint: ResolvedChunks['rangeConstraint'],
  from: bigint,
  taskCount: bigint,
): TakenChunk {
  const first = nthInRange(range, from);
  if (first === undefined || taskCount < 1n)
    throw new RangeError(`no chunk of ${taskCount} at ${from}`);
  if (rangeConstraint === 'NONCONTIGUOUS') {
    const to = min(from + taskCount, range.length);
    return { value: printIntRange(sliceRange(range, from, to)), valueCount: to - from };
  }
  const run = runsOf(range).find(({ start, end }) => first >= start && first <= end);
  if (run === undefined) throw new Error(`${first} is in no run`);
  const last = run.step === 1n ? min(run.end, first + taskCount - 1n) : first;
  return { value: `${first}-${last}`, valueCount: last - first + 1n };
}

export interface ChunkMeasurement {
  /** Values in the chunks that have finished, and the seconds these took together. */
  readonly finishedTaskCount: number;
  readonly finishedSeconds: number;
}

/** Until this many values have finished, a new size counts for a quarter only. */
const cautiousTaskCount = 10;

/**
 * How many values the next chunk should have so that it takes about `targetRuntimeSeconds`, from
 * what finished chunks took. Without a target, or before anything has finished, `current` stays.
 */
export function adaptedTaskCount(
  current: number,
  targetRuntimeSeconds: number | undefined,
  { finishedTaskCount, finishedSeconds }: ChunkMeasurement,
): number {
  if (targetRuntimeSeconds === undefined || targetRuntimeSeconds <= 0) return current;
  if (finishedTaskCount <= 0 || !(finishedSeconds > 0)) return current;
  const ideal = targetRuntimeSeconds / (finishedSeconds / finishedTaskCount);
  const next = finishedTaskCount < cautiousTaskCount ? 0.75 * current + 0.25 * ideal : ideal;
  return Math.max(1, Math.min(Math.floor(next), Number.MAX_SAFE_INTEGER));
}
