import type { z } from 'zod';
import type { Problem, RawProblem } from '../openjd/problem.ts';
import { readSource } from '../openjd/source.ts';
import { isMap, type TemplateValue, toJson } from '../openjd/template-value.ts';
import { fieldProblems } from '../recipes/field-problems.ts';
import { err, ok, type Result } from '../result.ts';

/** A YAML (or JSON) file of settings, checked against its schema: every problem with line and column. */
export function readSettings<T>(
  source: string,
  schema: z.ZodType<T>,
  check: (settings: T) => RawProblem[] = () => [],
): Result<T, Problem[]> {
  const document = readSource(source, 'yaml');
  if (!document.ok) return document;
  const { value, place } = document.value;
  const raw = problemsOf(value, schema, check);
  return raw.ok ? raw : err(raw.error.map(place).toSorted(inReadingOrder));
}

function problemsOf<T>(
  value: TemplateValue,
  schema: z.ZodType<T>,
  check: (settings: T) => RawProblem[],
): Result<T, RawProblem[]> {
  if (!isMap(value)) return err([{ path: [], message: 'expected a map of settings' }]);
  const parsed = schema.safeParse(toJson(value));
  if (!parsed.success) return err(fieldProblems(parsed.error.issues, value, []));
  const problems = check(parsed.data);
  return problems.length === 0 ? ok(parsed.data) : err(problems);
}

const inReadingOrder = (a: Problem, b: Problem): number =>
  (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
