import { adaptedTaskCount, adaptiveChunks } from '@karst/shared/openjd/adaptive-chunks.ts';
import { type ChunkedParameter, chunksOf, printIntegers } from '@karst/shared/openjd/chunks.ts';
import { chunkStart, splitEvenly } from '@karst/shared/openjd/even-split.ts';
import {
  nthInRange,
  parseIntRange,
  printIntRange,
  sliceRange,
} from '@karst/shared/openjd/int-range.ts';
import {
  chunkParameters,
  taskCount,
  taskParameters,
  tasksOf,
} from '@karst/shared/openjd/parameter-space.ts';
import type {
  ResolvedChunks,
  ResolvedParameterSpace,
  TaskParameters,
} from '@karst/shared/openjd/resolved-job.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

type Constraint = ResolvedChunks['rangeConstraint'];

const ranged = (range: string, size: number, rangeConstraint: Constraint): ChunkedParameter => ({
  name: 'F',
  type: 'CHUNK[INT]',
  range,
  chunks: { defaultTaskCount: size, rangeConstraint },
});
const listed = (values: number[], size: number, rangeConstraint: Constraint): ChunkedParameter => ({
  name: 'F',
  type: 'CHUNK[INT]',
  values: values.map(String),
  chunks: { defaultTaskCount: size, rangeConstraint },
});
const adapting = (parameter: ChunkedParameter): ChunkedParameter => ({
  ...parameter,
  chunks: { ...parameter.chunks, targetRuntimeSeconds: 60 },
});
function chunks(parameter: ChunkedParameter): string[] {
  const list = chunksOf(parameter);
  return Array.from({ length: Number(list.length) }, (_, index) => list.at(BigInt(index)));
}
function valuesOf(text: string): bigint[] {
  const range = parseIntRange(text);
  if (!range.ok) throw new Error(range.error.message);
  return Array.from({ length: Number(range.value.length) }, (_, i) => {
    return nthInRange(range.value, BigInt(i)) ?? 0n;
  });
}

describe('chunks of a range', () => {
  test.each<[string, number, string[]]>([
    ['1-10', 10, ['1-10']],
    ['1-10', 100, ['1-10']],
    ['1-10', 4, ['1-4', '5-7', '8-10']],
    ['1-10', 3, ['1-3', '4-5', '6-8', '9-10']],
    ['1-11', 4, ['1-4', '5-8', '9-11']],
    ['1-3', 1, ['1-1', '2-2', '3-3']],
    ['5', 10, ['5-5']],
    ['1,10-12,18-50', 10, ['1-1', '10-12', '18-26', '27-34', '35-42', '43-50']],
    ['1-9:2', 10, ['1-1', '3-3', '5-5', '7-7', '9-9']],
    ['1-2,3-9:2', 10, ['1-3', '5-5', '7-7', '9-9']],
    ['1-5:2,6-8', 10, ['1-1', '3-3', '5-8']],
    ['-5--1', 2, ['-5--4', '-3--2', '-1--1']],
    ['1-2,3-4', 10, ['1-4']],
  ])('contiguous: %s by %d', (range, size, wanted) => {
    expect(chunks(ranged(range, size, 'CONTIGUOUS'))).toEqual(wanted);
  });

  test.each<[string, number, string[]]>([
    ['1-10', 4, ['1-4', '5-7', '8-10']],
    ['1-20:2', 4, ['1-7:2', '9-13:2', '15-19:2']],
    ['1,5,9-12', 3, ['1-9:4', '10-12']],
    ['1,5,10-12', 2, ['1,5', '10,11', '12']],
    ['1-3,10-12', 6, ['1-3,10-12']],
    ['7', 3, ['7']],
    ['1-4', 2, ['1,2', '3,4']],
    ['1-8:2', 2, ['1,3', '5,7']],
    ['1-2,3', 3, ['1-3']],
    ['1,3,5,7', 4, ['1-7:2']],
    ['1-20000', 10000, ['1-10000', '10001-20000']],
  ])('not contiguous: %s by %d', (range, size, wanted) => {
    expect(chunks(ranged(range, size, 'NONCONTIGUOUS'))).toEqual(wanted);
  });

  test('a list keeps its order from chunk to chunk', () => {
    expect(chunks(listed([7, 8, 1, 2, 3, 9], 2, 'CONTIGUOUS'))).toEqual([
      '7-8',
      '1-2',
      '3-3',
      '9-9',
    ]);
    expect(chunks(listed([9, 1, 5, 3], 2, 'NONCONTIGUOUS'))).toEqual(['1,9', '3,5']);
  });

  test('10^12 values are split without being listed', () => {
    const list = chunksOf(ranged('1-1000000000000', 1000, 'CONTIGUOUS'));
    expect(list.length).toBe(1_000_000_000n);
    expect(list.at(999_999_999n)).toBe('999999999001-1000000000000');
    expect(list.indexOf(42_000n)).toBe(41n);
    const even = chunksOf(ranged('0-1000000000000:2', 1000, 'NONCONTIGUOUS'));
    expect(even.at(even.length - 1n)).toMatch(/^\d+-1000000000000:2$/);
  });
});

const size = fc.integer({ min: 1, max: 12 });
const constraint = fc.constantFrom<Constraint>('CONTIGUOUS', 'NONCONTIGUOUS');
/** Disjoint spans with gaps, as text: what a range expression may be. */
const rangeText = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 9 }), size), {
    minLength: 1,
    maxLength: 6,
  })
  .map((spans) => {
    let next = -20;
    return spans
      .map(([gap, length, step]) => {
        const start = next + gap;
        next = start + length * step + 1;
        return length === 0 ? `${start}` : `${start}-${next - 1}:${step}`;
      })
      .join(',');
  });

describe('any split', () => {
  test('is even, complete and no larger than asked for', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 2n ** 63n), fc.bigInt(1n, 2n ** 40n), (length, taskCountMax) => {
        const split = splitEvenly(length, taskCountMax);
        expect(chunkStart(split, 0n)).toBe(0n);
        expect(chunkStart(split, split.chunkCount)).toBe(length);
        const last = split.chunkCount - 1n;
        for (const index of [0n, last / 3n, last / 2n, last]) {
          const size = chunkStart(split, index + 1n) - chunkStart(split, index);
          expect(size === split.base || size === split.base + 1n).toBe(true);
          expect(size <= taskCountMax).toBe(true);
        }
      }),
    );
  });

  test('spreads what is left over as the reference does', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), size, (length, taskCountMax) => {
        const count = Math.ceil(length / taskCountMax);
        const base = Math.floor(length / count);
        const left = length - base * count;
        const sizes = Array.from({ length: count }, () => base);
        for (let i = 0; i < left; i++) {
          const at = Math.floor((i * count) / left);
          sizes[at] = (sizes[at] ?? 0) + 1;
        }
        const split = splitEvenly(BigInt(length), BigInt(taskCountMax));
        const found = sizes.map((_, i) =>
          Number(chunkStart(split, BigInt(i + 1)) - chunkStart(split, BigInt(i))),
        );
        expect(found).toEqual(sizes);
      }),
    );
  });

  test('of a range covers each value once, in order, and finds it again', () => {
    fc.assert(
      fc.property(rangeText, size, constraint, (text, most, rangeConstraint) => {
        const list = chunksOf(ranged(text, most, rangeConstraint));
        const all = chunks(ranged(text, most, rangeConstraint)).map(valuesOf);
        expect(all.flat()).toEqual(valuesOf(text));
        for (const [index, values] of all.entries()) {
          expect(values.length).toBeLessThanOrEqual(most);
          for (const value of values) expect(list.indexOf(value)).toBe(BigInt(index));
          if (rangeConstraint === 'CONTIGUOUS') {
            expect(list.at(BigInt(index))).toBe(`${values[0]}-${values.at(-1)}`);
          }
        }
        expect(list.indexOf(10_000n)).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });

  test('of a list covers each value once, and finds it again', () => {
    const values = fc.uniqueArray(fc.integer({ min: -30, max: 30 }), { minLength: 1 });
    fc.assert(
      fc.property(values, size, constraint, (list, most, rangeConstraint) => {
        const parameter = listed(list, most, rangeConstraint);
        const all = chunks(parameter).map(valuesOf);
        const sorted = list.map(BigInt).toSorted((a, b) => Number(a - b));
        expect(all.flat().toSorted((a, b) => Number(a - b))).toEqual(sorted);
        for (const [index, chunk] of all.entries()) {
          for (const value of chunk) expect(chunksOf(parameter).indexOf(value)).toBe(BigInt(index));
        }
      }),
    );
  });

  test('integers print as a range of just them', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.bigInt(-50n, 50n), { minLength: 1 }), (values) => {
        const sorted = values.toSorted((a, b) => Number(a - b));
        expect(valuesOf(printIntegers(values))).toEqual(sorted);
      }),
    );
    expect(printIntegers([1n, 3n, 5n, 7n, 8n, 20n])).toBe('1-7:2,8,20');
    expect(printIntegers([1n, 5n, 6n])).toBe('1,5,6');
  });

  test('a slice of a range is the values between', () => {
    fc.assert(
      fc.property(rangeText, fc.nat(60), fc.nat(60), (text, a, b) => {
        const range = parseIntRange(text);
        if (!range.ok) throw new Error(range.error.message);
        const all = valuesOf(text);
        const from = Math.min(a, all.length - 1);
        const to = Math.min(from + b + 1, all.length);
        const slice = sliceRange(range.value, BigInt(from), BigInt(to));
        expect(valuesOf(printIntRange(slice))).toEqual(all.slice(from, to));
      }),
    );
  });
});

describe('chunks of changing size', () => {
  const sizes = fc.array(size, { minLength: 1, maxLength: 5 });

  /** Cuts all tasks into chunks of these sizes in turn, as far as each may reach. */
  function cut(space: ResolvedParameterSpace, sizesInTurn: readonly number[]): TaskParameters[] {
    const reach = adaptiveChunks(space)?.reach ?? (() => Number.NaN);
    const found: TaskParameters[] = [];
    for (let first = 0; first < taskCount(space); ) {
      const most = sizesInTurn[found.length % sizesInTurn.length] ?? 1;
      const last = Math.min(first + most - 1, reach(first));
      found.push(chunkParameters(space, first, last));
      first = last + 1;
    }
    return found;
  }
  const alone = (parameter: ChunkedParameter) => ({ parameters: [parameter], combination: 'F' });

  test('one after the other they cover the range, and bridge no gap', () => {
    fc.assert(
      fc.property(rangeText, sizes, constraint, (text, sizesInTurn, rangeConstraint) => {
        const parameter = adapting(ranged(text, 3, rangeConstraint));
        const found = cut(alone(parameter), sizesInTurn).map(({ F }) => F?.value ?? '');
        expect(found.flatMap(valuesOf)).toEqual(valuesOf(text));
        if (rangeConstraint === 'NONCONTIGUOUS') return;
        for (const chunk of found) expect(chunk).toMatch(/^-?\d+--?\d+$/);
      }),
      { numRuns: 300 },
    );
  });

  test('they are called as fixed ones are', () => {
    const texts = (parameter: ChunkedParameter, most: number) =>
      cut(alone(adapting(parameter)), [most]).map(({ F }) => F?.value);
    expect(texts(ranged('1-9:2', 3, 'CONTIGUOUS'), 2)).toEqual(['1-1', '3-3', '5-5', '7-7', '9-9']);
    expect(texts(ranged('1-5,9', 3, 'NONCONTIGUOUS'), 2)).toEqual(['1,2', '3,4', '5,9']);
    expect(texts(listed([9, 1, 5, 3], 3, 'NONCONTIGUOUS'), 3)).toEqual(['1-9:4', '3']);
  });

  test('they cover a list in its order', () => {
    const list = fc.uniqueArray(fc.integer({ min: -9, max: 9 }), { minLength: 1 });
    fc.assert(
      fc.property(list, sizes, constraint, (values, sizesInTurn, rangeConstraint) => {
        const parameter = adapting(listed(values, 3, rangeConstraint));
        const chunksInTurn = cut(alone(parameter), sizesInTurn).map(({ F }) => F?.value ?? '');
        let next = 0;
        for (const chunk of chunksInTurn.map(valuesOf)) {
          const wanted = values.slice(next, next + chunk.length).map(BigInt);
          expect(chunk).toEqual(wanted.toSorted((a, b) => Number(a - b)));
          next += chunk.length;
        }
        expect(next).toBe(values.length);
      }),
    );
  });

  test('all have one value of every other parameter', () => {
    const others = { name: 'Tile', type: 'STRING' as const, values: ['a', 'b', 'c'] };
    fc.assert(
      fc.property(rangeText, sizes, constraint, (text, sizesInTurn, rangeConstraint) => {
        const parameter = adapting(ranged(text, 3, rangeConstraint));
        const space = { parameters: [parameter, others], combination: 'Tile * F' };
        const found = cut(space, sizesInTurn).flatMap(({ F, Tile }) =>
          valuesOf(F?.value ?? '').map((value) => `${Tile?.value}${value}`),
        );
        const single = [...tasksOf(space)].map(({ F, Tile }) => `${Tile?.value}${F?.value}`);
        expect(found).toEqual(single);
      }),
    );
  });

  test.each<[string, Constraint, number, number[]]>([
    ['1,10-12,18-50', 'CONTIGUOUS', 3, [0, 3, 3, 3, 36]],
    ['1-2,3-9:2,20-21', 'CONTIGUOUS', 3, [2, 2, 2, 3, 4, 5, 7, 7]],
    ['1,10-12', 'NONCONTIGUOUS', 3, [3, 3, 3, 3]],
  ])('tasks of %s (%s) reach as far as they may', (text, rangeConstraint, most, wanted) => {
    const reach = adaptiveChunks(alone(adapting(ranged(text, most, rangeConstraint))))?.reach;
    expect(wanted.map((_, first) => reach?.(first))).toEqual(wanted);
  });

  test('tasks that may not run together are refused', () => {
    const space = {
      parameters: [
        adapting(ranged('1-3,7', 2, 'CONTIGUOUS')),
        { name: 'Tile', type: 'STRING' as const, values: ['a', 'b'] },
      ],
      combination: 'Tile * F',
    };
    expect(chunkParameters(space, 4, 6).F?.value).toBe('1-3');
    expect(chunkParameters(space, 7, 7).F?.value).toBe('7-7');
    for (const [first, last] of [
      [2, 3],
      [3, 4],
      [1, 0],
      [7, 8],
    ] as const) {
      expect(() => chunkParameters(space, first, last)).toThrow(RangeError);
    }
    const fixed = { parameters: [ranged('1-9', 3, 'CONTIGUOUS')], combination: 'F' };
    expect(chunkParameters(fixed, 1, 1).F?.value).toBe('4-6');
    expect(() => chunkParameters(fixed, 0, 1)).toThrow(RangeError);
  });

  test.each([
    [10, undefined, 50, 500, 10],
    [10, 0, 50, 500, 10],
    [10, 600, 0, 0, 10],
    [10, 600, 20, 0, 10],
    [10, 600, 20, 200, 60],
    [100, 600, 20, 2000, 6],
    [10, 600, 5, 50, 22],
    [10, 1, 50, 500, 1],
    [8, 600, 9, 90, 21],
  ])(
    '%d values with a target of %s s, %d done in %d s: next %d',
    (current, target, done, seconds, next) => {
      const measured = { finishedTaskCount: done, finishedSeconds: seconds };
      expect(adaptedTaskCount(current, target, measured)).toBe(next);
    },
  );
});

describe('a space with chunks', () => {
  const space = {
    parameters: [
      ranged('1-10', 4, 'CONTIGUOUS'),
      { name: 'Tile', type: 'STRING' as const, values: ['a', 'b'] },
    ],
    combination: 'F * Tile',
  };
  test('has a task for each chunk', () => {
    expect(taskCount(space)).toBe(6);
    expect([...tasksOf(space)].map((task) => `${task.F?.value} ${task.Tile?.value}`)).toEqual([
      '1-4 a',
      '1-4 b',
      '5-7 a',
      '5-7 b',
      '8-10 a',
      '8-10 b',
    ]);
    expect(taskParameters(space, 5).F).toEqual({ type: 'CHUNK[INT]', value: '8-10' });
  });
});
