import {
  type IntRange,
  type IntSpan,
  intRangeFromSpans,
  printIntRange,
} from '../openjd/int-range.ts';
import { err, ok, type Result } from '../result.ts';
import {
  type FrameProblem,
  type FrameWarning,
  framesExpected,
  piecesMax,
  readElement,
} from './frame-element.ts';
import { interleavedMax, mergeSpans } from './merge-spans.ts';

export type { FrameProblem, FrameWarning } from './frame-element.ts';

/** A list of frames, understood. */
export interface Frames {
  /** Each frame once, ascending. */
  readonly range: IntRange;
  /** The same as an OpenJD range expression: `1-240:2,300`. */
  readonly expression: string;
  readonly warnings: readonly FrameWarning[];
}

const problemsMax = 20;

/**
 * Reads the frame lists that people type: `1-240`, `1-240x2` (also `step`, `by`, `every`),
 * `1,5,9-12`, `-5--1`, `-5-5`, `1-100:10` (a step, with a warning), `100-1` (ascending, with a
 * warning) and `1-10y3` (what `x3` leaves out). A frame named twice counts once, with a warning.
 * Never throws; every element that cannot be read is reported.
 */
export function parseFrames(text: string): Result<Frames, FrameProblem[]> {
  if (text.trim() === '') return err([refusal(0, framesExpected, 'empty text')]);
  const spans: IntSpan[] = [];
  const warnings: FrameWarning[] = [];
  const problems: FrameProblem[] = [];
  let position = 0;
  for (const part of text.split(',')) {
    const element = readElement(part, position);
    position += part.length + 1;
    if (element.ok) {
      spans.push(...element.value.spans);
      warnings.push(...element.value.warnings);
    } else {
      problems.push(element.error);
    }
    if (problems.length === problemsMax) break;
  }
  if (problems.length > 0) return err(problems);
  const merged = mergeSpans(spans);
  if (merged === undefined) {
    const found = `more than ${interleavedMax} that interleave`;
    return err([refusal(0, 'ranges with steps that keep apart', found)]);
  }
  if (merged.spans.length > piecesMax) {
    return err([refusal(0, `at most ${piecesMax} pieces`, `${merged.spans.length}`)]);
  }
  if (merged.repeated > 0n) {
    const times = merged.repeated === 1n ? 'One frame is' : `${merged.repeated} frames are`;
    warnings.push({
      message: `${times} named more than once; each is rendered once`,
      position: 0,
    });
  }
  const range = intRangeFromSpans(merged.spans);
  return ok({ range, expression: printIntRange(range), warnings });
}

function refusal(position: number, expected: string, found: string): FrameProblem {
  return { message: `expected ${expected}, found ${found}`, expected, found, position };
}
