import { parseFloatText } from './float-text.ts';
import { parseInteger } from './int64.ts';
import { parameterValueMax } from './limits.ts';
import { codePointLength, quote } from './text-rules.ts';
import type { JobParameterDefinition } from './types.ts';

export interface ConstraintProblem {
  readonly message: string;
  readonly found: string;
  readonly expected: string;
}

/**
 * Which constraints of the definition `value` breaks. The value is text of the right type already
 * (an integer's digits for INT, a number's for FLOAT).
 */
export function brokenConstraints(
  definition: JobParameterDefinition,
  value: string,
): ConstraintProblem[] {
  const problems =
    definition.type === 'INT' || definition.type === 'FLOAT'
      ? brokenBounds(definition, value)
      : brokenLengths(definition, value);
  const { allowedValues } = definition;
  if (allowedValues !== undefined && !isAllowed(definition, allowedValues, value)) {
    const shown = allowedValues.slice(0, 20).map(quote).join(', ');
    const more = allowedValues.length > 20 ? ', …' : '';
    problems.push(problem(`one of the allowed values ${shown}${more}`, quote(value)));
  }
  return problems;
}

function problem(expected: string, found: string): ConstraintProblem {
  return { message: `expected ${expected}, found ${found}`, expected, found };
}

function isAllowed(
  { type }: JobParameterDefinition,
  allowed: readonly string[],
  value: string,
): boolean {
  if (type !== 'FLOAT') return allowed.includes(value);
  const number = parseFloatText(value);
  return allowed.some((each) => parseFloatText(each) === number);
}

function brokenLengths(
  {
    minLength,
    maxLength,
  }: { readonly minLength?: number | undefined; readonly maxLength?: number | undefined },
  value: string,
): ConstraintProblem[] {
  const length = codePointLength(value);
  const problems: ConstraintProblem[] = [];
  if (!value.isWellFormed()) {
    problems.push(problem('text of Unicode characters', 'half of a surrogate pair'));
  }
  if (length > parameterValueMax) {
    problems.push(problem(`at most ${parameterValueMax} characters`, `${length} characters`));
  }
  if (minLength !== undefined && length < minLength) {
    problems.push(problem(`at least ${minLength} characters (minLength)`, describeLength(value)));
  }
  if (maxLength !== undefined && length > maxLength) {
    problems.push(problem(`at most ${maxLength} characters (maxLength)`, describeLength(value)));
  }
  return problems;
}

function describeLength(value: string): string {
  const length = codePointLength(value);
  if (length === 0) return 'empty text';
  return length === 1 ? '1 character' : `${length} characters`;
}

interface Bounds {
  readonly type: 'INT' | 'FLOAT';
  readonly minValue?: string | undefined;
  readonly maxValue?: string | undefined;
}

function brokenBounds({ type, minValue, maxValue }: Bounds, value: string): ConstraintProblem[] {
  const problems: ConstraintProblem[] = [];
  if (minValue !== undefined && compareNumbers(type, value, minValue) < 0) {
    problems.push(problem(`a value of at least ${minValue} (minValue)`, value));
  }
  if (maxValue !== undefined && compareNumbers(type, value, maxValue) > 0) {
    problems.push(problem(`a value of at most ${maxValue} (maxValue)`, value));
  }
  return problems;
}

/** Negative, zero or positive, as a is below, equal to or above b. Integers compare exactly. */
export function compareNumbers(type: 'INT' | 'FLOAT', a: string, b: string): number {
  const left = type === 'INT' ? parseInteger(a) : parseFloatText(a);
  const right = type === 'INT' ? parseInteger(b) : parseFloatText(b);
  if (left === undefined || right === undefined) throw new Error(`not numbers: ${a}, ${b}`);
  return left < right ? -1 : left > right ? 1 : 0;
}
