import type { IntSpan } from '../openjd/int-range.ts';
import { int64Max, int64Min, isInt64 } from '../openjd/int64.ts';
import { quote } from '../openjd/text-rules.ts';
import { err, ok, type Result } from '../result.ts';

/** Something to know about a frame list that is read all the same. */
export interface FrameWarning {
  readonly message: string;
  /** Where in the text, 0-based. */
  readonly position: number;
}

/** Why a frame list is refused. The message names the place, 1-based, as editors count. */
export interface FrameProblem {
  readonly message: string;
  readonly found: string;
  readonly expected: string;
  /** Where in the text, 0-based. */
  readonly position: number;
}

/** One element between commas: `7`, `1-240`, `1-240x2`, `1-100:10`, `1-10y3`, `100-1`. */
export interface FrameElement {
  /** Ascending, without common numbers. */
  readonly spans: readonly IntSpan[];
  readonly warnings: readonly FrameWarning[];
}

/** How many pieces a list may fall into: an OpenJD range is text, and every node reads it. */
export const piecesMax = 10_000;

export const framesExpected = 'frames such as 1-240, 1-240x2, 1,5,9-12 or -5-5';

const elementPattern =
  /^(-?\d{1,30})(?:\s*-\s*(-?\d{1,30})(?:\s*(x|y|:|step|by|every)\s*(-?\d{1,30}))?)?$/i;

/** What a spelling of other programs means here. */
const hints: readonly (readonly [RegExp, string])[] = [
  [/[\u2010-\u2015\u2212]/, 'the dash is not the plain "-" of the keyboard'],
  [/^-?\d+\s*\.\.\.?\s*-?\d+$/, 'write the range with "-"'],
  [/^-?\d+(?:\s*-\s*-?\d+)?(?:\s+-?\d+(?:-\d+)?)+$/, 'put commas between the frames'],
  [/^-?\d+\s*-\s*-?\d+\s*[xy:]\s*\d*\.\d+$/, 'frames are whole numbers'],
  [/^-?\d+\s*[xy:]\s*-?\d+$/, 'a step needs a range before it, such as 1-100x10'],
  [/^-?\d+\s*-\s*-?\d+\s*[xy:]$/i, 'the step is missing after the range'],
  [/^-?\d+\s*-$/, 'the last frame is missing after the "-"'],
];

/** Reads one element, which starts at `position` of the whole text. */
export function readElement(part: string, position: number): Result<FrameElement, FrameProblem> {
  const text = part.trim();
  const at = position + (part.length - part.trimStart().length);
  const match = part.length > 200 ? null : elementPattern.exec(text);
  if (match === null) {
    if (text === '') return refuse(at, framesExpected, 'nothing between commas');
    const hint = hints.find(([pattern]) => pattern.test(text))?.[1];
    return refuse(at, framesExpected, quote(text), hint);
  }
  const first = BigInt(match[1] ?? '0');
  const last = match[2] === undefined ? first : BigInt(match[2]);
  const sign = (match[3] ?? '').toLowerCase();
  const step = match[4] === undefined ? 1n : BigInt(match[4]);
  for (const value of [first, last, step]) {
    if (!isInt64(value)) {
      return refuse(at, `whole numbers from ${int64Min} to ${int64Max}`, `${value}`);
    }
  }
  if (step === 0n) return refuse(at, 'a step of 1 or more', `the step 0 in ${quote(text)}`);
  if (step < 0n && first < last) {
    const hint = `write ${-step}, or put the higher frame first`;
    return refuse(at, 'a positive step for ascending frames', `the step ${step}`, hint);
  }
  const range = { first, last, step: step < 0n ? -step : step };
  if (sign === 'y') return inverse(range, text, at);
  const warnings: FrameWarning[] = [];
  if (sign === ':' && range.step > 1n) warnings.push(colonWarning(text, range, at));
  return ok({ spans: [stepped(range)], warnings: [...warnings, ...descending(range, text, at)] });
}

interface SteppedRange {
  readonly first: bigint;
  readonly last: bigint;
  /** 1 or more. */
  readonly step: bigint;
}

function refuse(
  position: number,
  expected: string,
  found: string,
  hint?: string,
): { ok: false; error: FrameProblem } {
  const tail = hint === undefined ? '' : `; ${hint}`;
  const message = `expected ${expected}, found ${found} at character ${position + 1}${tail}`;
  return err({ message, expected, found, position });
}

/** The frames that counting from `first` by `step` meets, in ascending order. */
function stepped({ first, last, step }: SteppedRange): IntSpan {
  const reach = (absolute(last - first) / step) * step;
  const [start, end] = first <= last ? [first, first + reach] : [first - reach, first];
  return { start, end, step: start === end ? 1n : step };
}

/** The frames that counting would leave out: `1-10y3` is 2, 3, 5, 6, 8 and 9. */
function inverse(
  range: SteppedRange,
  text: string,
  at: number,
): Result<FrameElement, FrameProblem> {
  const { step } = range;
  const low = range.first < range.last ? range.first : range.last;
  const high = range.first < range.last ? range.last : range.first;
  const left = stepped(range);
  if (step === 1n || low === high) {
    return refuse(at, 'frames that the inverse step leaves', `none in ${quote(text)}`);
  }
  const warnings = descending(range, text, at);
  const between = left.end - left.start;
  if (step === 2n) {
    const start = left.start > low ? low : low + 1n;
    const end = left.end < high ? high : high - 1n;
    return ok({ spans: [{ start, end, step: start === end ? 1n : 2n }], warnings });
  }
  if (between / step > BigInt(piecesMax)) {
    return refuse(at, `at most ${piecesMax} gaps`, `${between / step} in ${quote(text)}`);
  }
  const spans: IntSpan[] = [];
  const add = (start: bigint, end: bigint) => {
    if (start <= end) spans.push({ start, end, step: 1n });
  };
  add(low, left.start - 1n);
  for (let gap = left.start; gap < left.end; gap += step) add(gap + 1n, gap + step - 1n);
  add(left.end + 1n, high);
  return ok({ spans, warnings });
}

function descending({ first, last }: SteppedRange, text: string, at: number): FrameWarning[] {
  if (first <= last) return [];
  return [
    {
      message: `${quote(text)} counts down; the same frames are rendered, the lowest first`,
      position: at,
    },
  ];
}

function colonWarning(text: string, { step }: SteppedRange, position: number): FrameWarning {
  return {
    message:
      `${quote(text)} is read as Open Job Description and Deadline do: every ${ordinal(step)} frame. ` +
      'OpenCue and fileseq mean a stagger by ":", which is all frames in another order. ' +
      `Write ${quote(text.replace(':', 'x').replaceAll(' ', ''))} to be understood by all`,
    position,
  };
}

function ordinal(value: bigint): string {
  const tens = value % 100n;
  const ones = value % 10n;
  if (tens > 10n && tens < 14n) return `${value}th`;
  return `${value}${ones === 1n ? 'st' : ones === 2n ? 'nd' : ones === 3n ? 'rd' : 'th'}`;
}

const absolute = (value: bigint): bigint => (value < 0n ? -value : value);
