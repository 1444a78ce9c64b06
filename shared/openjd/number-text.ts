import { parseFloatText } from './float-text.ts';
import { int64Max, int64Min, isInt64, parseInteger } from './int64.ts';
import type { ProblemList, ProblemPath } from './problem.ts';
import { describe, type TemplateValue } from './template-value.ts';

/** An integer, as a number or as text, in canonical base-10 text; within int64. */
export function readIntegerText(
  problems: ProblemList,
  value: TemplateValue,
  path: ProblemPath,
): string | undefined {
  const integer =
    typeof value === 'string' ? parseInteger(value) : typeof value === 'bigint' ? value : undefined;
  if (integer === undefined) {
    const inexact =
      typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value);
    const hint = inexact ? '; JSON numbers this size are not exact, write it in quotes' : '';
    const expected = 'an integer';
    const found = describe(value);
    problems.add(path, `expected ${expected}, found ${found}${hint}`, { expected, found });
    return undefined;
  }
  if (!isInt64(integer)) {
    problems.mismatch(path, `an integer from ${int64Min} to ${int64Max}`, describe(value));
    return undefined;
  }
  return integer.toString();
}

/** A finite decimal number, as a number or as text; text is kept as written, without space around it. */
export function readFloatText(
  problems: ProblemList,
  value: TemplateValue,
  path: ProblemPath,
): string | undefined {
  const text =
    typeof value === 'bigint' || typeof value === 'number'
      ? String(value)
      : typeof value === 'string'
        ? value.trim()
        : undefined;
  if (text !== undefined && parseFloatText(text) !== undefined) return text;
  problems.mismatch(path, 'a finite number', describe(value));
  return undefined;
}
