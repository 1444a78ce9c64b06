import { chunkAtPosition, chunkStart, splitEvenly } from './even-split.ts';
import {
  type IntRange,
  type IntSpan,
  indexInRange,
  lastAtMost,
  nthInRange,
  parseIntRange,
  sliceRange,
} from './int-range.ts';
import { isInt64, parseInteger } from './int64.ts';
import type { ResolvedChunks, ResolvedTaskParameter } from './resolved-job.ts';

export type ChunkedParameter = Extract<ResolvedTaskParameter, { type: 'CHUNK[INT]' }>;

/** The chunks of a parameter, by number. Cost depends on the expression, not on its values. */
export interface ChunkList {
  readonly length: bigint;
  /** What a task is given: `1-10` or, when not contiguous, a range expression. 0 ≤ index < length. */
  readonly at: (index: bigint) => string;
  /** Which chunk holds the value. */
  readonly indexOf: (value: bigint) => bigint | undefined;
}

/** The chunks of a resolved CHUNK[INT] parameter. Throws for one that creation did not make. */
export function chunksOf(parameter: ChunkedParameter): ChunkList {
  const { chunks } = parameter;
  if ('values' in parameter) {
    const values = parameter.values.map((text) => {
      const value = parseInteger(text);
      if (value === undefined) throw new Error(`not a resolved chunk value: ${text}`);
      return value;
    });
    return chunks.rangeConstraint === 'CONTIGUOUS'
      ? contiguousChunks(runsOfList(values), chunks)
      : listChunks(values, chunks);
  }
  const range = parseIntRange(parameter.range);
  if (!range.ok) throw new Error(`not a resolved range: ${range.error.message}`);
  return chunks.rangeConstraint === 'CONTIGUOUS'
    ? contiguousChunks(runsOf(range.value), chunks)
    : rangeChunks(range.value, chunks);
}

/**
 * A stretch of chunks: `first` to `last` without gaps, divided evenly; or, with a step above 1,
 * values that stand alone, one chunk each.
 */
export type Run = IntSpan;

/** Joins what touches, across the spans of a range: 1-2,3-9:2 is 1-3 and then 5, 7 and 9 alone. */
export function runsOf({ spans }: IntRange): Run[] {
  const runs: Run[] = [];
  const add = (start: bigint, end: bigint, step: bigint): void => {
    const last = runs.at(-1);
    if (step === 1n && last?.step === 1n && last.end + 1n === start) {
      runs[runs.length - 1] = { start: last.start, end, step };
    } else {
      runs.push({ start, end, step });
    }
  };
  for (const { start, end, step } of spans) {
    if (step === 1n) {
      add(start, end, 1n);
      continue;
    }
    // Only the outer values of a stepped span can touch a neighbour.
    add(start, start, 1n);
    if (end - start > step) add(start + step, end - step, end - start === 2n * step ? 1n : step);
    add(end, end, 1n);
  }
  return runs;
}

function runsOfList(values: readonly bigint[]): Run[] {
  const runs: Run[] = [];
  for (const value of values) {
    const last = runs.at(-1);
    if (last !== undefined && last.end + 1n === value) {
      runs[runs.length - 1] = { start: last.start, end: value, step: 1n };
    } else {
      runs.push({ start: value, end: value, step: 1n });
    }
  }
  return runs;
}

function contiguousChunks(runs: readonly Run[], { defaultTaskCount }: ResolvedChunks): ChunkList {
  const splits = runs.map(({ start, end, step }) =>
    step === 1n
      ? splitEvenly(end - start + 1n, BigInt(defaultTaskCount))
      : splitEvenly((end - start) / step + 1n, 1n),
  );
  const before: bigint[] = [];
  let length = 0n;
  for (const { chunkCount } of splits) {
    before.push(length);
    length += chunkCount;
  }
  const at = (index: bigint): string => {
    const number = lastAtMost(before, index);
    const run = runs[number];
    const split = splits[number];
    const first = before[number];
    if (run === undefined || split === undefined || first === undefined) {
      throw new RangeError(`no chunk ${index}`);
    }
    const from = run.start + chunkStart(split, index - first) * run.step;
    const next = run.start + chunkStart(split, index - first + 1n) * run.step;
    return `${from}-${next - run.step}`;
  };
  const indexOf = (value: bigint): bigint | undefined => {
    const number = runs.findIndex(({ start, end }) => value >= start && value <= end);
    const run = runs[number];
    const split = splits[number];
    const first = before[number];
    if (run === undefined || split === undefined || first === undefined) return undefined;
    const distance = value - run.start;
    if (distance % run.step !== 0n) return undefined;
    return first + chunkAtPosition(split, distance / run.step);
  };
  return { length, at, indexOf };
}

function rangeChunks(range: IntRange, { defaultTaskCount }: ResolvedChunks): ChunkList {
  const split = splitEvenly(range.length, BigInt(defaultTaskCount));
  return {
    length: split.chunkCount,
    at: (index) =>
      printChunk(sliceRange(range, chunkStart(split, index), chunkStart(split, index + 1n))),
    indexOf: (value) => {
      const position = indexInRange(range, value);
      return position === undefined ? undefined : chunkAtPosition(split, position);
    },
  };
}

function listChunks(values: readonly bigint[], { defaultTaskCount }: ResolvedChunks): ChunkList {
  const split = splitEvenly(BigInt(values.length), BigInt(defaultTaskCount));
  const part = (index: bigint): bigint[] =>
    values.slice(Number(chunkStart(split, index)), Number(chunkStart(split, index + 1n)));
  return {
    length: split.chunkCount,
    at: (index) => printIntegers(part(index)),
    indexOf: (value) => {
      const position = values.indexOf(value);
      return position < 0 ? undefined : chunkAtPosition(split, BigInt(position));
    },
  };
}

/** Integers, each once, as the shortest range expression of them, ascending. */
export function printIntegers(values: readonly bigint[]): string {
  return printSpans(compactSpans(values));
}

/** Beyond this a chunk's text follows the range's own spans, so that its values need not be listed. */
const listedValuesMax = 4096n;

/** What a task of a chunk that is not contiguous is given: the shortest text of its values. */
export function printChunk(range: IntRange): string {
  if (range.length > listedValuesMax) return printSpans(range.spans);
  const values = Array.from({ length: Number(range.length) }, (_, at) => {
    return nthInRange(range, BigInt(at)) ?? 0n;
  });
  return printIntegers(values);
}

/** As other implementations print it: two values are `1,2`, more of them `1-3` or `1-5:2`. */
function printSpans(spans: readonly IntSpan[]): string {
  return spans
    .map(({ start, end, step }) => {
      if (start === end) return `${start}`;
      if (start + step === end) return `${start},${end}`;
      return step === 1n ? `${start}-${end}` : `${start}-${end}:${step}`;
    })
    .join(',');
}

function compactSpans(values: readonly bigint[]): IntSpan[] {
  const sorted = values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const spans: IntSpan[] = [];
  for (let from = 0; from < sorted.length; ) {
    const start = sorted[from];
    const second = sorted[from + 1];
    if (start === undefined) break;
    const step = second === undefined ? 1n : second - start;
    let to = from + 1;
    while (sorted[to] === start + BigInt(to - from) * step) to++;
    const count = to - from;
    if (count < 3 && step !== 1n) {
      spans.push({ start, end: start, step: 1n });
      from++;
      continue;
    }
    spans.push({ start, end: start + BigInt(count - 1) * step, step: count === 1 ? 1n : step });
    from = to;
  }
  return spans;
}

/** The integer or chunk a user names: `42`, or `41-50` for the chunk that is just that. */
export function chunkIndicesOf(list: ChunkList, text: string): bigint[] {
  const value = parseInteger(text);
  if (value !== undefined) {
    const index = isInt64(value) ? list.indexOf(value) : undefined;
    return index === undefined ? [] : [index];
  }
  const range = parseIntRange(text);
  const first = range.ok ? nthInRange(range.value, 0n) : undefined;
  const index = first === undefined ? undefined : list.indexOf(first);
  if (index === undefined || !range.ok) return [];
  return list.at(index) === printChunk(range.value) || list.at(index) === text ? [index] : [];
}
