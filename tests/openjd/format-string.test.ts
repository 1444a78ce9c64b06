import {
  parseFormatString,
  referencesOf,
  resolveFormatString,
} from '@karst/shared/openjd/format-string.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const symbols = { 'Param.A': 'one', 'Task.Param.Frame': '7', 'Param.Braces': '{{Param.A}}' };

function resolved(text: string): string {
  const format = parseFormatString(text);
  if (!format.ok) return `refused: ${format.error.map(({ message }) => message).join('; ')}`;
  const result = resolveFormatString(format.value, symbols);
  return result.ok ? result.value : `missing: ${result.error.map(({ found }) => found).join()}`;
}

describe('format strings', () => {
  test.each([
    ['', ''],
    ['plain', 'plain'],
    ['{{Param.A}}', 'one'],
    ['{{  Param.A\t}}', 'one'],
    ['a{{Param.A}}b{{Task.Param.Frame}}c', 'aoneb7c'],
    ['{{Param.A}}{{Param.A}}', 'oneone'],
    ['{ } {a} }{', '{ } {a} }{'],
    ['{{Param.Braces}}', '{{Param.A}}'],
    ['{{Param.B}} {{Param.C}}', 'missing: Param.B,Param.C'],
    ['{{toString}}', 'missing: toString'],
    ['{{constructor}}', 'missing: constructor'],
  ])('%j resolves to %j', (text, value) => {
    expect(resolved(text)).toBe(value);
  });

  test.each([
    ['{{', 'never closed'],
    ['a {{ Param.A', 'never closed'],
    ['}}', 'without a "{{" before it'],
    ['{{Param.A}} }}', 'without a "{{" before it'],
    ['{{}}', 'found nothing'],
    ['{{ }}', 'found nothing'],
    ['{{Param.}}', 'found "Param."'],
    ['{{.A}}', 'found ".A"'],
    ['{{Param.1}}', 'found "Param.1"'],
    ['{{Param A}}', 'found "Param A"'],
    ['{{Param.A + 1}}', 'EXPR extension'],
    ['{{{Param.A}}}', 'found "{Param.A"'],
    ['{{Param.é}}', 'found "Param.é"'],
  ])('%j is refused: %s', (text, reason) => {
    expect(resolved(text)).toContain(`refused: `);
    expect(resolved(text)).toContain(reason);
  });

  test('every mistake of a text is reported', () => {
    const format = parseFormatString('{{a b}} }} {{');
    expect(format.ok ? 0 : format.error.length).toBe(3);
  });

  test('references keep their order', () => {
    const format = parseFormatString('{{B.x}} {{A}} {{B.x}}');
    expect(format.ok && referencesOf(format.value)).toEqual(['B.x', 'A', 'B.x']);
  });

  test('a Map and a record resolve alike', () => {
    const format = parseFormatString('{{Param.A}}');
    if (!format.ok) throw new Error('refused');
    const fromMap = resolveFormatString(format.value, new Map(Object.entries(symbols)));
    expect(fromMap).toEqual(resolveFormatString(format.value, symbols));
  });

  test('arbitrary text never throws; what parses keeps its literals', () => {
    const braces = fc.string({ unit: fc.constantFrom('{', '}', ' ', 'a', '.', '1', '\n', '🎬') });
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), braces), (text) => {
        const format = parseFormatString(text);
        if (!format.ok) {
          expect(format.error.length).toBeGreaterThan(0);
          return;
        }
        const echo = new Map(referencesOf(format.value).map((name) => [name, `<${name}>`]));
        const result = resolveFormatString(format.value, echo);
        expect(result).toEqual({
          ok: true,
          value: text.replace(/\{\{\s*([\w.]+)\s*\}\}/g, '<$1>'),
        });
      }),
      { numRuns: 1000 },
    );
  });
});
