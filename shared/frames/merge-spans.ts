import { printIntegers } from '../openjd/chunks.ts';
import { type IntSpan, parseIntRange } from '../openjd/int-range.ts';

/** Interleaved steps are sorted out one number at a time; more than this is refused. */
export const interleavedMax = 1_000_000n;

export interface MergedSpans {
  /** Ascending; no span reaches into the next one. */
  readonly spans: readonly IntSpan[];
  /** How often a number was named beyond its first time. */
  readonly repeated: bigint;
}

/** The same set of numbers in spans that keep apart; undefined when that is too much to work out. */
export function mergeSpans(given: readonly IntSpan[]): MergedSpans | undefined {
  const sorted = given.toSorted((a, b) => compare(a.start, b.start) || compare(a.end, b.end));
  const spans: IntSpan[] = [];
  let repeated = 0n;
  for (let from = 0; from < sorted.length; ) {
    const first = sorted[from];
    if (first === undefined) break;
    let { end } = first;
    let to = from + 1;
    for (let next = sorted[to]; next !== undefined && next.start <= end; next = sorted[++to]) {
      if (next.end > end) end = next.end;
    }
    const group = sorted.slice(from, to);
    const merged = mergeGroup(group, first.start, end);
    if (merged === undefined) return undefined;
    repeated += total(group) - total(merged);
    for (const span of merged) join(spans, span);
    from = to;
  }
  return { spans, repeated };
}

/** Spans that reach into each other, from `start` to `end` in all. */
function mergeGroup(
  group: readonly IntSpan[],
  start: bigint,
  end: bigint,
): readonly IntSpan[] | undefined {
  if (group.length === 1) return group;
  const covers = group.some((span) => span.step === 1n && span.start === start && span.end === end);
  if (covers || group.every(({ step }) => step === 1n)) return [{ start, end, step: 1n }];
  if (total(group) > interleavedMax) return undefined;
  const values = new Set<bigint>();
  for (const span of group) {
    for (let value = span.start; value <= span.end; value += span.step) values.add(value);
  }
  const range = parseIntRange(printIntegers([...values]));
  if (!range.ok) throw new Error(`numbers gave no range: ${range.error.message}`);
  return range.value.spans;
}

/** Adds a span after the others; whole stretches that touch become one. */
function join(spans: IntSpan[], span: IntSpan): void {
  const last = spans.at(-1);
  if (last?.step === 1n && span.step === 1n && last.end + 1n === span.start) {
    spans[spans.length - 1] = { start: last.start, end: span.end, step: 1n };
  } else {
    spans.push(span);
  }
}

const total = (spans: readonly IntSpan[]): bigint =>
  spans.reduce((sum, { start, end, step }) => sum + (end - start) / step + 1n, 0n);

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
