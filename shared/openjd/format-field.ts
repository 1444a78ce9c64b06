import type { ProblemPath } from './problem.ts';
import { readText, type TextRule, type Validation } from './reader.ts';
import { checkFormatString, checkLiteralControls, type Scope } from './scope.ts';
import type { TemplateValue } from './template-value.ts';

/** Reads a format string whose literal parts obey the rule's control characters. */
export function readFormat(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
  rule: TextRule,
): string | undefined {
  const text = readText(validation, value, path, { ...rule, control: 'any' });
  if (text === undefined) return undefined;
  const format = checkFormatString(validation, text, path, scope);
  if (format === undefined) return undefined;
  if (rule.control === 'none' && !checkLiteralControls(validation, format, path, rule.what)) {
    return undefined;
  }
  return text;
}
