import {
  type IntRange,
  indexInRange,
  nthInRange,
  parseIntRange,
  printIntRange,
  rangeContains,
} from '@karst/shared/openjd/int-range.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

function parsed(text: string): IntRange {
  const range = parseIntRange(text);
  if (!range.ok) throw new Error(range.error.message);
  return range.value;
}

function valuesOf(range: IntRange): number[] {
  return Array.from({ length: Number(range.length) }, (_, index) =>
    Number(nthInRange(range, BigInt(index))),
  );
}

describe('range expressions', () => {
  test.each<[string, number[], string]>([
    ['7', [7], '7'],
    ['-7', [-7], '-7'],
    ['1-5', [1, 2, 3, 4, 5], '1-5'],
    ['1 - 5', [1, 2, 3, 4, 5], '1-5'],
    ['\t1-5 ', [1, 2, 3, 4, 5], '1-5'],
    ['-1 - 1', [-1, 0, 1], '-1-1'],
    ['-5--3', [-5, -4, -3], '-5--3'],
    ['1-5:2', [1, 3, 5], '1-5:2'],
    ['1-10:4', [1, 5, 9], '1-9:4'],
    ['1-2:5', [1], '1'],
    ['5-5', [5], '5'],
    ['5-5:-1', [5], '5'],
    ['10-1:-4', [2, 6, 10], '2-10:4'],
    ['5-1:-1', [1, 2, 3, 4, 5], '1-5'],
    ['10-15:2,1-5', [1, 2, 3, 4, 5, 10, 12, 14], '1-5,10-14:2'],
    ['1,5,9-12', [1, 5, 9, 10, 11, 12], '1,5,9-12'],
    ['9, 1', [1, 9], '1,9'],
    ['007', [7], '7'],
  ])('"%s" means %j', (text, values, printed) => {
    const range = parsed(text);
    expect(valuesOf(range)).toEqual(values);
    expect(printIntRange(range)).toBe(printed);
  });

  test.each([
    ['', 'found empty text'],
    [' ', 'found empty text'],
    ['a', 'found "a"'],
    ['1-', 'found "1-"'],
    ['1,', 'found nothing between commas'],
    [',1', 'found nothing between commas'],
    ['1-5:0', 'step 0'],
    ['5-1', 'counts down from 5 to 1'],
    ['1 - -1', 'counts down from 1 to -1'],
    ['1-5:-1', 'negative step -1'],
    ['1-5,5', '"1-5" and "5" overlap'],
    ['1-10:2,2-10:2', 'overlap'],
    ['1-10:4,10-15', '"1-10:4" and "10-15" overlap'],
    ['10-1:-4,1', 'overlap'],
    ['3,3', 'overlap'],
    ['1-5x2', 'found "1-5x2"'],
    ['1..5', 'found "1..5"'],
    ['1-5:2:3', 'found "1-5:2:3"'],
    ['1.5', 'found "1.5"'],
    ['+1', 'found "+1"'],
    ['1 2', 'found "1 2"'],
    ['- 1', 'found "- 1"'],
    ['1\n', 'expected a range'],
    ['9223372036854775808', 'an integer from -9223372036854775808 to 9223372036854775807'],
    ['1-2:99999999999999999999', 'an integer from'],
  ])('"%s" is refused: %s', (text, reason) => {
    const range = parseIntRange(text);
    expect(range.ok ? '(accepted)' : range.error.message).toContain(reason);
  });

  test('the whole of int64 is one span, exact at both ends', () => {
    const range = parsed('-9223372036854775808-9223372036854775807');
    expect(range.length).toBe(2n ** 64n);
    expect(nthInRange(range, 0n)).toBe(-(2n ** 63n));
    expect(nthInRange(range, 2n ** 64n - 1n)).toBe(2n ** 63n - 1n);
    expect(nthInRange(range, 2n ** 64n)).toBeUndefined();
    expect(nthInRange(range, -1n)).toBeUndefined();
  });

  /** Disjoint elements in random order, with the set they mean. */
  const expression = fc
    .array(
      fc.record({
        gap: fc.integer({ min: 1, max: 50 }),
        size: fc.integer({ min: 0, max: 60 }),
        step: fc.integer({ min: 1, max: 9 }),
        down: fc.boolean(),
      }),
      { minLength: 1, maxLength: 12 },
    )
    .chain((parts) => fc.tuple(fc.integer({ min: -500, max: 500 }), fc.constant(parts)))
    .map(([first, parts]) => {
      const values: number[] = [];
      const texts: string[] = [];
      let at = first;
      for (const { gap, size, step, down } of parts) {
        const low = at;
        const high = at + size;
        if (down) {
          texts.push(`${high}-${low}:-${step}`);
          for (let value = high; value >= low; value -= step) values.push(value);
        } else {
          texts.push(step === 1 ? `${low}-${high}` : `${low} - ${high}:${step}`);
          for (let value = low; value <= high; value += step) values.push(value);
        }
        at = high + gap;
      }
      return { text: texts.toReversed().join(','), values: values.toSorted((a, b) => a - b) };
    });

  test('parsing gives the ascending set, and printing it parses to the same set', () => {
    fc.assert(
      fc.property(expression, ({ text, values }) => {
        const range = parsed(text);
        expect(valuesOf(range)).toEqual(values);
        const printed = printIntRange(range);
        expect(parsed(printed)).toEqual(range);
        expect(printIntRange(parsed(printed))).toBe(printed);
      }),
    );
  });

  test('an index and its value lead to each other, and nothing else is contained', () => {
    fc.assert(
      fc.property(expression, ({ text, values }) => {
        const range = parsed(text);
        for (const [index, value] of values.entries()) {
          expect(indexInRange(range, BigInt(value))).toBe(BigInt(index));
        }
        const low = (values[0] ?? 0) - 3;
        for (let value = low; value < low + 200; value++) {
          expect(rangeContains(range, BigInt(value))).toBe(values.includes(value));
        }
      }),
      { numRuns: 50 },
    );
  });

  test('arbitrary text never throws', () => {
    const alphabet = fc.string({ unit: fc.constantFrom(...'0123456789-:, \t+x') });
    fc.assert(
      fc.property(fc.oneof(fc.string(), alphabet), (text) => {
        const range = parseIntRange(text);
        if (range.ok) expect(parsed(printIntRange(range.value)).length).toBe(range.value.length);
        else expect(range.error.message).not.toBe('');
      }),
      { numRuns: 500 },
    );
  });
});
