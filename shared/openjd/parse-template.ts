import { err, ok, type Result } from '../result.ts';
import { type Problem, ProblemList } from './problem.ts';
import { readSource } from './source.ts';
import { fromJson, type TemplateValue } from './template-value.ts';
import type { JobTemplate } from './types.ts';
import { type Checked, checkTemplate } from './validate-template.ts';

export type SourceFormat = 'yaml' | 'json';

/**
 * Parses and validates a job template's text. JSON is read as strict JSON when `format` says so;
 * the YAML reader takes JSON too. Every problem of the file is reported, with line and column.
 */
export function parseTemplate(
  source: string,
  format: SourceFormat = 'yaml',
): Result<{ template: JobTemplate }, Problem[]> {
  return parseDocument(source, format, checkTemplate);
}

/** Validates a template that is data already, as JSON over HTTP gives it. Paths, no lines. */
export function validateTemplate(value: unknown): Result<JobTemplate, Problem[]> {
  return validateDocument(value, checkTemplate);
}

/** Text to a template of the kind that `check` knows, problems in reading order. */
export function parseDocument<T>(
  source: string,
  format: SourceFormat,
  check: (document: TemplateValue) => Checked<T>,
): Result<{ template: T }, Problem[]> {
  const document = readSource(source, format);
  if (!document.ok) return document;
  const { template, problems } = check(document.value.value);
  if (template !== undefined) return ok({ template });
  return err(problems.raw().map(document.value.place).toSorted(inReadingOrder));
}

/** Data to a template of the kind that `check` knows. */
export function validateDocument<T>(
  value: unknown,
  check: (document: TemplateValue) => Checked<T>,
): Result<T, Problem[]> {
  const reading = new ProblemList();
  const document = fromJson(value, reading);
  if (document === undefined) return err(reading.all());
  const { template, problems } = check(document);
  return template === undefined ? err(problems.all()) : ok(template);
}

function inReadingOrder(a: Problem, b: Problem): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}
