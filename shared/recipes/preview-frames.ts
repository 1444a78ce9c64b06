import {
  type IntRange,
  indexInRange,
  intRangeFromSpans,
  nthInRange,
  printIntRange,
  sliceRange,
} from '../openjd/int-range.ts';
import type { Preview } from './field-schemas.ts';
import type { RecipeJob } from './recipe.ts';

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

/** Why frames that few have no preview. */
export const noPreview = (preview: Preview, { length }: IntRange): string =>
  `a preview is three frames, and there are only ${length}: no Preview step` +
  (preview === 'hold' ? ', and nothing is held' : '');

/** With `hold`, what renders the other frames waits for a person once there is a preview to look at. */
export function heldSteps(
  preview: Preview,
  steps: readonly Record<string, unknown>[],
): Pick<RecipeJob, 'stepPolicies'> {
  const isHeld = preview === 'hold' && steps.some(({ name }) => name === 'Preview');
  return isHeld ? { stepPolicies: { Render: { hold: true } } } : {};
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
