import { err, ok, type Result } from '../result.ts';
import { int64Max, int64Min, isInt64 } from './int64.ts';

/** Evenly spaced integers from `start` to `end`, both included; `step` is at least 1. */
export interface IntSpan {
  readonly start: bigint;
  readonly end: bigint;
  readonly step: bigint;
}

/**
 * A set of integers in ascending order, held as spans that neither touch nor interleave.
 * Memory depends on the expression, not on how many integers it stands for.
 */
export interface IntRange {
  readonly spans: readonly IntSpan[];
  /** How many integers. */
  readonly length: bigint;
  /** `before[i]` is how many integers precede span i. */
  readonly before: readonly bigint[];
}

export interface RangeProblem {
  readonly message: string;
  readonly found?: string;
  readonly expected?: string;
}

interface Element {
  readonly span: IntSpan;
  /** The bounds as written. A step may stop short of `high`, but the element still occupies it. */
  readonly low: bigint;
  readonly high: bigint;
  readonly text: string;
}

const elementPattern =
  /^[ \t]*(-?[0-9]+)(?:[ \t]*-[ \t]*(-?[0-9]+)(?:[ \t]*:[ \t]*(-?[0-9]+))?)?[ \t]*$/;
const expected = 'a range such as 1-240, 1-240:2 or 1,5,9-12';

/** Parses a range expression: `1-240`, `1-240:2`, `-5--1`, `1,5,9-12`. Never throws. */
export function parseIntRange(text: string): Result<IntRange, RangeProblem> {
  if (text.trim() === '') {
    return err({
      message: `expected ${expected}, found empty text`,
      expected,
      found: 'empty text',
    });
  }
  const elements: Element[] = [];
  for (const part of text.split(',')) {
    const element = parseElement(part);
    if (!element.ok) return element;
    elements.push(element.value);
  }
  elements.sort((a, b) => (a.low < b.low ? -1 : a.low > b.low ? 1 : 0));
  for (let index = 1; index < elements.length; index++) {
    const left = elements[index - 1];
    const right = elements[index];
    if (left !== undefined && right !== undefined && left.high >= right.low) {
      return err({
        message: `"${left.text}" and "${right.text}" overlap; each number may be covered only once`,
        found: `${left.text},${right.text}`,
        expected: 'ranges that do not overlap',
      });
    }
  }
  return ok(intRangeFromSpans(elements.map((element) => element.span)));
}

function parseElement(part: string): Result<Element, RangeProblem> {
  const text = part.trim();
  const match = part.length > 200 ? null : elementPattern.exec(part);
  if (match === null) {
    const found = text === '' ? 'nothing between commas' : JSON.stringify(text.slice(0, 60));
    return err({ message: `expected ${expected}, found ${found}`, expected, found });
  }
  const first = BigInt(match[1] ?? '0');
  const last = match[2] === undefined ? first : BigInt(match[2]);
  const step = match[3] === undefined ? 1n : BigInt(match[3]);
  for (const value of [first, last, step]) {
    if (!isInt64(value)) {
      const bounds = `an integer from ${int64Min} to ${int64Max}`;
      return err({
        message: `expected ${bounds}, found ${value}`,
        expected: bounds,
        found: `${value}`,
      });
    }
  }
  if (step === 0n) {
    return err({
      message: `"${text}" has step 0, which would never end`,
      found: 'step 0',
      expected: 'a step of 1 or more, or a negative step for a descending range',
    });
  }
  if (first > last && step > 0n) {
    return err({
      message: `"${text}" counts down from ${first} to ${last}; write ${last}-${first}, or give a negative step`,
      found: `${first} before ${last}`,
      expected: 'the lower number first',
    });
  }
  if (first < last && step < 0n) {
    return err({
      message: `"${text}" counts up from ${first} to ${last} with the negative step ${step}; write ${-step}`,
      found: `step ${step}`,
      expected: 'a positive step for an ascending range',
    });
  }
  return ok({ text, ...ascending(first, last, step) });
}

function ascending(first: bigint, last: bigint, step: bigint): Omit<Element, 'text'> {
  const size = step < 0n ? -step : step;
  const reach = ((step < 0n ? first - last : last - first) / size) * size;
  const low = step < 0n ? last : first;
  const high = step < 0n ? first : last;
  const start = step < 0n ? first - reach : first;
  const end = start + reach;
  return { low, high, span: { start, end, step: start === end ? 1n : size } };
}

/** Builds a range from ascending, disjoint spans. */
export function intRangeFromSpans(spans: readonly IntSpan[]): IntRange {
  const before: bigint[] = [];
  let length = 0n;
  for (const span of spans) {
    before.push(length);
    length += (span.end - span.start) / span.step + 1n;
  }
  return { spans, length, before };
}

/** The integer at `index` (0-based, ascending), or undefined when out of bounds. O(log spans). */
export function nthInRange(range: IntRange, index: bigint): bigint | undefined {
  if (index < 0n || index >= range.length) return undefined;
  const at = lastAtMost(range.before, index);
  const span = range.spans[at];
  const before = range.before[at];
  if (span === undefined || before === undefined) return undefined;
  return span.start + (index - before) * span.step;
}

/** The index of `value` in ascending order, or undefined when the range does not contain it. */
export function indexInRange(range: IntRange, value: bigint): bigint | undefined {
  let low = 0;
  let high = range.spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const end = range.spans[middle]?.end;
    if (end !== undefined && end < value) low = middle + 1;
    else high = middle;
  }
  const span = range.spans[low];
  const before = range.before[low];
  if (span === undefined || before === undefined || value < span.start) return undefined;
  const distance = value - span.start;
  return distance % span.step === 0n ? before + distance / span.step : undefined;
}

export function rangeContains(range: IntRange, value: bigint): boolean {
  return indexInRange(range, value) !== undefined;
}

/** The integers number `from` up to, but not including, number `to`, as a range. */
export function sliceRange(range: IntRange, from: bigint, to: bigint): IntRange {
  const spans: IntSpan[] = [];
  let number = lastAtMost(range.before, from);
  for (let position = from; position < to; number++) {
    const span = range.spans[number];
    const before = range.before[number];
    if (span === undefined || before === undefined) break;
    const start = span.start + (position - before) * span.step;
    const spanLength = (span.end - span.start) / span.step + 1n;
    const stop = to < before + spanLength ? to : before + spanLength;
    const end = span.start + (stop - before - 1n) * span.step;
    spans.push({ start, end, step: start === end ? 1n : span.step });
    position = before + spanLength;
  }
  return intRangeFromSpans(spans);
}

/** Prints a range so that parsing the text gives the same set: `1-240:2,300`. */
export function printIntRange(range: IntRange): string {
  return range.spans
    .map(({ start, end, step }) => {
      if (start === end) return `${start}`;
      return step === 1n ? `${start}-${end}` : `${start}-${end}:${step}`;
    })
    .join(',');
}

/** Index of the last element that is at most `value`, in an ascending list whose first is 0. */
export function lastAtMost(sorted: readonly bigint[], value: bigint): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const candidate = sorted[middle];
    if (candidate !== undefined && candidate <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
