import { type ChunkedParameter, printChunk, printIntegers, runsOf } from './chunks.ts';
import {
  type IntRange,
  indexInRange,
  lastAtMost,
  nthInRange,
  parseIntRange,
  sliceRange,
} from './int-range.ts';
import { isInt64, parseInteger } from './int64.ts';

/**
 * The values of a CHUNK[INT] parameter one by one, for chunks that are cut while the job runs.
 * Cost depends on the expression, not on its values.
 */
export interface ChunkValues {
  readonly length: bigint;
  /** 0 ≤ position < length. Throws RangeError for any other. */
  readonly at: (position: bigint) => bigint;
  /** Where the value stands. */
  readonly positionOf: (value: bigint) => bigint | undefined;
  /** The last position that a chunk may have which begins at `from`: CONTIGUOUS ends at a gap. */
  readonly reach: (from: bigint) => bigint;
  /** What a chunk of positions `from` to `to`, both included, is called. */
  readonly textOf: (from: bigint, to: bigint) => string;
}

/** The values of a resolved CHUNK[INT] parameter. Throws for one that creation did not make. */
export function chunkValues(parameter: ChunkedParameter): ChunkValues {
  const isContiguous = parameter.chunks.rangeConstraint === 'CONTIGUOUS';
  if ('values' in parameter) {
    const values = parameter.values.map((text) => {
      const value = parseInteger(text);
      if (value === undefined) throw new Error(`not a resolved chunk value: ${text}`);
      return value;
    });
    return valuesOfList(values, isContiguous);
  }
  const range = parseIntRange(parameter.range);
  if (!range.ok) throw new Error(`not a resolved range: ${range.error.message}`);
  return valuesOfRange(range.value, isContiguous);
}

function valuesOfRange(range: IntRange, isContiguous: boolean): ChunkValues {
  const at = (position: bigint): bigint => {
    const value = nthInRange(range, position);
    if (value === undefined) throw outside(position, range.length);
    return value;
  };
  const runs = isContiguous ? runsOf(range) : [];
  const firsts = runs.map(({ start }) => indexInRange(range, start) ?? 0n);
  return {
    length: range.length,
    at,
    positionOf: (value) => indexInRange(range, value),
    reach: (from) => {
      const first = at(from);
      if (!isContiguous) return range.length - 1n;
      const run = runs[lastAtMost(firsts, from)];
      return run?.step === 1n ? from + (run.end - first) : from;
    },
    textOf: (from, to) =>
      isContiguous ? `${at(from)}-${at(to)}` : printChunk(sliceRange(range, from, to + 1n)),
  };
}

function valuesOfList(values: readonly bigint[], isContiguous: boolean): ChunkValues {
  const length = BigInt(values.length);
  const at = (position: bigint): bigint => {
    const value = values[Number(position)];
    if (value === undefined) throw outside(position, length);
    return value;
  };
  return {
    length,
    at,
    positionOf: (value) => {
      const position = values.indexOf(value);
      return position < 0 ? undefined : BigInt(position);
    },
    reach: (from) => {
      if (!isContiguous) return length - 1n;
      let to = from;
      while (to + 1n < length && at(to + 1n) === at(to) + 1n) to += 1n;
      return to;
    },
    textOf: (from, to) =>
      isContiguous
        ? `${at(from)}-${at(to)}`
        : printIntegers(values.slice(Number(from), Number(to) + 1)),
  };
}

/**
 * Where the values stand that a user names, ascending: `42`, or `41-50` for all of these. Empty when
 * one of them is missing.
 */
export function positionsOf(values: ChunkValues, text: string): bigint[] {
  const value = parseInteger(text);
  if (value !== undefined) {
    const position = isInt64(value) ? values.positionOf(value) : undefined;
    return position === undefined ? [] : [position];
  }
  const range = parseIntRange(text);
  if (!range.ok || range.value.length > values.length) return [];
  const positions: bigint[] = [];
  for (let index = 0n; index < range.value.length; index++) {
    const named = nthInRange(range.value, index);
    const position = named === undefined ? undefined : values.positionOf(named);
    if (position === undefined) return [];
    positions.push(position);
  }
  return positions.sort((a, b) => (a < b ? -1 : 1));
}

const outside = (position: bigint, length: bigint) =>
  new RangeError(`value ${position} is outside 0 to ${length - 1n}`);
