import { compileLinePattern } from '@karst/shared/pattern/line-pattern.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

function compiled(text: string) {
  const pattern = compileLinePattern(text);
  if (!pattern.ok) throw new Error(`${text}: ${pattern.error.message} at ${pattern.error.at}`);
  return pattern.value;
}

/** Patterns as people write them, of every construct there is. */
const atom = fc.constantFrom(
  'a',
  'b',
  '.',
  '[ab]',
  '[^a]',
  '[a-c]',
  '\\d',
  '\\w',
  '\\S',
  'x',
  '\\.',
  '^',
  '$',
);
const patternText: fc.Arbitrary<string> = fc.letrec<{ part: string; either: string }>((tie) => ({
  part: fc.oneof(
    { maxDepth: 3 },
    atom,
    fc
      .tuple(tie('either'), fc.constantFrom('', '*', '+', '?', '{2}', '{1,3}', '{1,}', '*?'))
      .map(([of, repeats]) => `(?:${of})${repeats}`),
  ),
  either: fc
    .array(fc.array(tie('part'), { maxLength: 3 }), { minLength: 1, maxLength: 2 })
    .map((options) => options.map((parts) => parts.join('')).join('|')),
})).either;
const line = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'x', '1', '.', ' '), maxLength: 12 });

describe('a pattern looked for in a line', () => {
  it('is found exactly where the regular expression of the same text is', () => {
    fc.assert(
      fc.property(patternText, line, (text, searched) => {
        expect(compiled(text).occursIn(searched)).toBe(new RegExp(text).test(searched));
      }),
      { numRuns: 2000 },
    );
  });

  it('may ignore case', () => {
    expect(compiled('(?i)no licen[cs]e').occursIn('Error: NO LICENSE for nuke_r')).toBe(true);
    expect(compiled('no licence').occursIn('NO LICENCE')).toBe(false);
    expect(compiled('(?i)^[^a]$').occursIn('A')).toBe(false);
  });

  it('takes time in proportion to the line, where backtracking takes for ever', () => {
    const evil = compiled('^(a+)+(.*.*.*)*=$');
    const long = `${'a'.repeat(4000)}!`;
    const startedMs = performance.now();
    for (let n = 0; n < 20; n++) expect(evil.occursIn(long)).toBe(false);
    expect(performance.now() - startedMs).toBeLessThan(2000);
  });

  it('looks at the first 4096 characters', () => {
    expect(compiled('x$').occursIn(`${'a'.repeat(4095)}x`)).toBe(true);
    expect(compiled('x').occursIn(`${'a'.repeat(4096)}x`)).toBe(false);
    expect(compiled('a$').occursIn('a'.repeat(5000))).toBe(false);
  });
});

it.each([
  ['(a', 0, 'not closed'],
  ['a)', 1, 'closes nothing'],
  ['*a', 0, 'nothing to repeat'],
  ['a**', 3, 'repetition'],
  ['[a', 0, 'not closed'],
  ['[z-a]', 0, 'out of order'],
  ['a(?=b)', 1, 'only plain groups'],
  ['(a)\\1', 3, 'back references'],
  ['a\\', 1, 'not known'],
  ['a{1000}', 1, 'more than 100'],
  ['(?:(?:a{100}){100}){100}', 0, 'too large'],
] as const)('refuses %s at %i', (text, at, message) => {
  const pattern = compileLinePattern(text);
  expect(pattern).toMatchObject({
    ok: false,
    error: { at, message: expect.stringContaining(message) },
  });
});
