import { parseFloatText } from './float-text.ts';
import { referencesOf, type SymbolTable } from './format-string.ts';
import { parseInteger } from './int64.ts';
import { notifyPeriodMaxSeconds } from './limits.ts';
import type { ProblemList, ProblemPath } from './problem.ts';
import type { Validation } from './reader.ts';
import { resolveText } from './resolve-text.ts';
import { checkFormatString, type Scope } from './scope.ts';
import { describe, type TemplateValue } from './template-value.ts';

/** A number that a template may also give as text with references, known when the job is made. */
export interface NumericRule {
  /** For messages: "an integer of 1 or more". */
  readonly expected: string;
  readonly fits: (value: number) => boolean;
  /** True when only integers fit. */
  readonly integer: boolean;
}

function integerRule(min: number, max = Number.POSITIVE_INFINITY): NumericRule {
  const upTo = max === Number.POSITIVE_INFINITY ? ` of ${min} or more` : ` from ${min} to ${max}`;
  return {
    expected: `an integer${upTo}`,
    fits: (value) => value >= min && value <= max,
    integer: true,
  };
}

export const timeoutRule = integerRule(1);
export const notifyPeriodRule = integerRule(1, notifyPeriodMaxSeconds);
export const chunkTaskCountRule = integerRule(1);
export const targetRuntimeRule = integerRule(0);
export const amountMinRule: NumericRule = {
  expected: 'a number of 0 or more',
  fits: (value) => value >= 0,
  integer: false,
};
export const amountMaxRule: NumericRule = {
  expected: 'a number above 0',
  fits: (value) => value > 0,
  integer: false,
};

/**
 * Reads a numeric field: a number, or its text, or a format string that is resolved at creation
 * and then checked again. `textRefusal` tells why text is refused here, when it is.
 */
export function readNumericField(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  rule: NumericRule,
  scope: Scope,
  textRefusal?: string,
): number | string | undefined {
  const { problems } = validation;
  if (typeof value !== 'string') {
    const number = typeof value === 'bigint' || !rule.integer ? numberOf(value, rule) : undefined;
    if (number !== undefined && rule.fits(number)) return number;
    problems.mismatch(path, rule.expected, describe(value));
    return undefined;
  }
  if (textRefusal !== undefined) {
    const { expected } = rule;
    const found = describe(value);
    problems.add(path, `expected ${expected}, found ${found}; ${textRefusal}`, { expected, found });
    return undefined;
  }
  const format = checkFormatString(validation, value, path, scope);
  if (format === undefined) return undefined;
  return referencesOf(format).length > 0 ? value : fromText(problems, value, path, rule);
}

/** No count and no time is that long: more than JSON carries exactly is as good as the most it does. */
function integerOf(value: bigint): number {
  return value > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : Number(value);
}

function numberOf(value: TemplateValue, { integer }: NumericRule): number | undefined {
  if (typeof value === 'bigint') {
    const number = integer ? integerOf(value) : Number(value);
    return Number.isFinite(number) ? number : undefined;
  }
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function fromText(
  problems: ProblemList,
  text: string,
  path: ProblemPath,
  rule: NumericRule,
): number | undefined {
  const integer = rule.integer ? parseInteger(text) : undefined;
  const number = rule.integer
    ? integer === undefined
      ? undefined
      : integerOf(integer)
    : parseFloatText(text);
  if (number !== undefined && rule.fits(number)) return number;
  problems.mismatch(path, rule.expected, describe(text));
  return undefined;
}

/** The number a validated field stands for once the job's parameters are known. */
export function resolveNumericField(
  value: number | string,
  path: ProblemPath,
  rule: NumericRule,
  symbols: SymbolTable,
  problems: ProblemList,
): number | undefined {
  if (typeof value === 'number') return value;
  const text = resolveText(value, path, symbols, problems);
  return text === undefined ? undefined : fromText(problems, text, path, rule);
}
