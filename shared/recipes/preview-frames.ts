import {
  type IntRange,
  indexInRange,
  intRangeFromSpans,
  nthInRange,
  printIntRange,
  sliceRange,
} from '../openjd/int-range.ts';

/** First, middle and last frame, and the frames that remain; undefined when none would remain. */
export function splitPreview(range: IntRange): { preview: string; rest: IntRange } | undefined {
  if (range.length <= 3n) return undefined;
  const indices = [0n, (range.length - 1n) / 2n, range.length - 1n];
  const chosen = indices.map((index) => nthInRange(range, index) ?? 0n);
  const parts = [
    sliceRange(range, 1n, indices[1] ?? 0n),
    sliceRange(range, (indices[1] ?? 0n) + 1n, range.length - 1n),
  ];
  const rest = intRangeFromSpans(parts.flatMap(({ spans }) => spans));
  const preview = intRangeFromSpans(chosen.map((n) => ({ start: n, end: n, step: 1n })));
  return { preview: printIntRange(preview), rest };
}

/** Whether the range holds a frame below 0, whose name starts with a sign. */
export const hasNegative = (range: IntRange): boolean =>
  range.length > 0n && (nthInRange(range, 0n) ?? 0n) < 0n;

/** Whether `inner` has no frame that `outer` lacks, by its first and last. */
export const isWithin = (inner: IntRange, outer: IntRange): boolean =>
  [0n, inner.length - 1n].every((index) => {
    const frame = nthInRange(inner, index);
    return frame !== undefined && indexInRange(outer, frame) !== undefined;
  });
