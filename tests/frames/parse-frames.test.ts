import { parseFrames } from '@karst/shared/frames/parse-frames.ts';
import { nthInRange, parseIntRange } from '@karst/shared/openjd/int-range.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const expressionOf = (text: string): string => {
  const frames = parseFrames(text);
  if (!frames.ok) throw new Error(frames.error.map(({ message }) => message).join('\n'));
  return frames.value.expression;
};

const warningsOf = (text: string): string[] => {
  const frames = parseFrames(text);
  return frames.ok ? frames.value.warnings.map(({ message }) => message) : [];
};

describe('frame lists are read in the dialects people write', () => {
  it.each([
    ['1-240', '1-240'],
    ['1-240x2', '1-239:2'],
    ['1-240 x 2', '1-239:2'],
    ['1-100step10', '1-91:10'],
    ['1-100 by 10', '1-91:10'],
    ['1-100every10', '1-91:10'],
    ['1,5,9-12', '1,5,9-12'],
    [' 1 , 5 ,9 - 12 ', '1,5,9-12'],
    ['0001-0024', '1-24'],
    ['-5--1', '-5--1'],
    ['-5-5', '-5-5'],
    ['-7', '-7'],
    ['1-100:10', '1-91:10'],
    ['100-1', '1-100'],
    ['100-1x3', '1-100:3'],
    ['10-1x-4', '2-10:4'],
    ['10-1:-4', '2-10:4'],
    ['1-10y3', '2-3,5-6,8-9'],
    ['1-11y3', '2-3,5-6,8-9,11'],
    ['10-1y3', '2-3,5-6,8-9'],
    ['1-10y2', '2-10:2'],
    ['10-1y2', '1-9:2'],
    ['1-9y2', '2-8:2'],
    ['9223372036854775806-9223372036854775807', '9223372036854775806-9223372036854775807'],
    ['1-1000000000000x2', '1-999999999999:2'],
  ])('%s is %s', (text, expression) => expect(expressionOf(text)).toBe(expression));

  it('joins what overlaps, and says how many frames were named twice', () => {
    expect(expressionOf('1-10,5-12')).toBe('1-12');
    expect(warningsOf('1-10,5-12')).toEqual([
      '6 frames are named more than once; each is rendered once',
    ]);
    expect(warningsOf('1-10,4')).toEqual([
      'One frame is named more than once; each is rendered once',
    ]);
    expect(expressionOf('1-100,1-100x7')).toBe('1-100');
  });

  it('sorts out steps that interleave, without a word when no frame is named twice', () => {
    expect(expressionOf('1-9x2,2-10x2')).toBe('1-10');
    expect(warningsOf('1-9x2,2-10x2')).toEqual([]);
    expect(expressionOf('1-13x3,2')).toBe('1-2,4-13:3');
  });

  it('joins ranges that only touch', () => expect(expressionOf('6-10,1-5')).toBe('1-10'));
});

describe('what could be misunderstood is said', () => {
  it('a colon is a step here and a stagger elsewhere', () => {
    const [warning] = warningsOf('1-100:10');
    expect(warning).toContain('every 10th frame');
    expect(warning).toContain('OpenCue and fileseq mean a stagger');
    expect(warning).toContain('"1-100x10"');
    expect(warningsOf('1-100x10')).toEqual([]);
    expect(warningsOf('1-100:1')).toEqual([]);
  });

  it('frames that count down are rendered upwards', () => {
    expect(warningsOf('1,100-50')).toEqual([
      '"100-50" counts down; the same frames are rendered, the lowest first',
    ]);
  });
});

describe('what cannot be read is refused with its place', () => {
  const problem = (text: string) => {
    const frames = parseFrames(text);
    return frames.ok ? undefined : frames.error[0];
  };

  it.each([
    ['', 0, 'empty text'],
    ['1,,3', 2, 'nothing between commas'],
    ['1-5,a-b', 4, '"a-b"'],
    ['1-5, 7-', 5, 'the last frame is missing'],
    ['1-10x', 0, 'the step is missing'],
    ['1-10x0', 0, 'the step 0'],
    ['1-10x-2', 0, 'put the higher frame first'],
    ['1–10', 0, 'not the plain "-"'],
    ['1..10', 0, 'write the range with "-"'],
    ['1 5 9-12', 0, 'put commas between'],
    ['5x2', 0, 'a step needs a range before it'],
    ['1-10x1.5', 0, 'whole numbers'],
    ['1-10y1', 0, 'none in "1-10y1"'],
    ['5-5y3', 0, 'none in "5-5y3"'],
    ['1-9223372036854775808', 0, '9223372036854775808'],
    ['1-10000000y7', 0, 'at most 10000 gaps'],
    ['1-100000000x2,2-100000000x3', 0, 'interleave'],
  ])('%j at %i', (text, position, words) => {
    expect(problem(text)).toMatchObject({ position });
    expect(problem(text)?.message).toContain(words);
  });

  it('reports every element that is wrong', () => {
    const frames = parseFrames('1-,5,x');
    expect(frames.ok ? [] : frames.error.map(({ position }) => position)).toEqual([0, 5]);
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[-0-9,xy: .]{0,30}$/)), (text) => {
        const frames = parseFrames(text);
        if (!frames.ok) expect(frames.error.length).toBeGreaterThan(0);
      }),
    );
  });
});

describe('frames are the set that naive counting gives', () => {
  const element = fc.record({
    first: fc.integer({ min: -60, max: 60 }),
    last: fc.integer({ min: -60, max: 60 }),
    sign: fc.constantFrom('', 'x', ':', 'y', ' by '),
    step: fc.integer({ min: 1, max: 9 }),
  });

  it('whatever the elements, their order and overlaps', () => {
    fc.assert(
      fc.property(fc.array(element, { minLength: 1, maxLength: 6 }), (elements) => {
        const wanted = new Set<number>();
        const texts: string[] = [];
        for (const { first, last, sign, step } of elements) {
          const towards = last < first ? -1 : 1;
          const kept = new Set<number>();
          for (let n = first; n * towards <= last * towards; n += towards) {
            const met = ((n - first) * towards) % (sign === '' ? 1 : step) === 0;
            if (met === (sign !== 'y')) kept.add(n);
          }
          if (kept.size === 0) continue;
          for (const n of kept) wanted.add(n);
          texts.push(sign === '' ? `${first}-${last}` : `${first}-${last}${sign}${step}`);
        }
        fc.pre(texts.length > 0);
        const frames = parseFrames(texts.join(','));
        if (!frames.ok) throw new Error(frames.error[0]?.message);
        const got = Array.from({ length: Number(frames.value.range.length) }, (_, index) =>
          Number(nthInRange(frames.value.range, BigInt(index))),
        );
        expect(got).toEqual([...wanted].sort((a, b) => a - b));
        // The expression is what goes into a template: OpenJD's own parser must agree.
        const range = parseIntRange(frames.value.expression);
        expect(range.ok && range.value.length).toBe(frames.value.range.length);
        expect(expressionOf(frames.value.expression)).toBe(frames.value.expression);
      }),
      { numRuns: 400 },
    );
  });
});
