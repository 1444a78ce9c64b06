import type { Result } from '../result.ts';
import { parseDocument, type SourceFormat, validateDocument } from './parse-template.ts';
import type { Problem } from './problem.ts';
import type { EnvironmentTemplate } from './types.ts';
import { checkEnvironmentTemplate } from './validate-template.ts';

/** Parses and validates an environment template's text, as parseTemplate does job templates. */
export function parseEnvironmentTemplate(
  source: string,
  format: SourceFormat = 'yaml',
): Result<{ template: EnvironmentTemplate }, Problem[]> {
  return parseDocument(source, format, checkEnvironmentTemplate);
}

/** Validates an environment template that is data already. Paths, no lines. */
export function validateEnvironmentTemplate(
  value: unknown,
): Result<EnvironmentTemplate, Problem[]> {
  return validateDocument(value, checkEnvironmentTemplate);
}
