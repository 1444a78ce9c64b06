import type { FieldError } from '@karst/shared/protocol/problem.ts';
import type { z } from 'zod';
import { expectedNumber } from './expected.ts';
import { ProblemError } from './handler.ts';

/** More than these are not told: a body wrong in 200,000 places needs no answer of 20 MB. */
const ERRORS_MAX = 50;
const FOUND_CHARACTERS_MAX = 80;

/**
 * Parses one part of a request. Throws ProblemError invalid_request whose errors say where, what was
 * found and what was expected.
 */
export function parsePart<T extends z.ZodType>(
  schema: T,
  input: unknown,
  part: 'params' | 'query' | 'body' | 'headers',
): z.output<T> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const errors = result.error.issues
    .flatMap((issue) => fieldErrors(issue, input, []))
    .slice(0, ERRORS_MAX)
    .map((error) => withNumber(schema, error))
    .map((error) => ({ ...error, path: [part, ...error.path] }));
  const [first] = errors;
  const where = first?.path.join('.') ?? part;
  throw new ProblemError('invalid_request', `${where}: ${first?.message ?? 'invalid'}`, errors);
}

/** Replaces the broken bound by the whole range, where a number is wanted. */
function withNumber(schema: z.ZodType, error: FieldError): FieldError {
  const wanted = /expected an? (number|integer)\b/.test(error.message)
    ? expectedNumber(schema, error.path)
    : undefined;
  if (wanted === undefined) return error;
  return {
    ...error,
    message: error.message.replace(/expected an? (number|integer).*$/, `expected ${wanted}`),
  };
}

type Path = (string | number)[];
type Issue = z.core.$ZodIssue;

function fieldErrors(issue: Issue, input: unknown, above: Path): FieldError[] {
  const path = [...above, ...issue.path.map((p) => (typeof p === 'symbol' ? String(p) : p))];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `found unknown field "${key}", expected none of this name`,
    }));
  }
  if (issue.code === 'invalid_union') return unionErrors(issue, input, above, path);
  if (issue.code === 'invalid_key' || issue.code === 'invalid_element') {
    const [inner] = issue.issues;
    return [{ path, message: inner === undefined ? issue.message : expectation(inner) }];
  }
  return [
    { path, message: `found ${foundAt(input, path.slice(above.length))}, ${expectation(issue)}` },
  ];
}

/** Of a union's branches, the one that got furthest tells most. */
function unionErrors(
  issue: z.core.$ZodIssueInvalidUnion,
  input: unknown,
  above: Path,
  path: Path,
): FieldError[] {
  const value = valueAt(input, path.slice(above.length));
  const deep = issue.errors.filter((branch) => branch.every((inner) => inner.path.length > 0));
  const [only] = deep;
  if (deep.length === 1 && only) return only.flatMap((inner) => fieldErrors(inner, value, path));
  const expected = issue.errors.flatMap((branch) =>
    branch.filter((inner) => inner.path.length === 0).map((inner) => expectation(inner)),
  );
  const texts = [...new Set(expected.map((text) => text.replace(/^expected /, '')))];
  const what = texts.length === 0 ? issue.message : `expected ${texts.join(' or ')}`;
  return [{ path, message: `found ${found(value)}, ${what}` }];
}

const articled = (noun: string) => {
  const names: Record<string, string> = { int: 'integer', record: 'object', nan: 'not-a-number' };
  const name = names[noun] ?? noun;
  return `${/^[aeiou]/.test(name) ? 'an' : 'a'} ${name}`;
};

const countNouns: Record<string, string> = {
  string: 'characters',
  array: 'items',
  object: 'fields',
};

function bound(issue: z.core.$ZodIssueTooBig | z.core.$ZodIssueTooSmall): string {
  const limit = issue.code === 'too_big' ? issue.maximum : issue.minimum;
  const noun = countNouns[issue.origin];
  if (noun !== undefined) {
    return `expected at ${issue.code === 'too_big' ? 'most' : 'least'} ${limit} ${noun}`;
  }
  const sign =
    issue.code === 'too_big' ? (issue.inclusive ? '≤' : '<') : issue.inclusive ? '≥' : '>';
  return `expected ${articled(issue.origin)} ${sign} ${limit}`;
}

/** "expected …" of one issue. Our schemas' own messages start with that word already. */
function expectation(issue: Issue): string {
  if (issue.message.startsWith('expected ')) return issue.message;
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${articled(issue.expected)}`;
    case 'too_big':
    case 'too_small':
      return bound(issue);
    case 'invalid_value':
      return `expected ${issue.values.map((value) => `"${String(value)}"`).join(' or ')}`;
    case 'invalid_format':
      return `expected ${issue.format === 'regex' ? `text like ${issue.pattern ?? ''}` : articled(issue.format)}`;
    case 'not_multiple_of':
      return `expected a multiple of ${issue.divisor}`;
    default:
      return `expected otherwise: ${issue.message}`;
  }
}

function valueAt(input: unknown, path: readonly (string | number)[]): unknown {
  let value = input;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step))
      return undefined;
    value = Reflect.get(value, step);
  }
  return value;
}

const foundAt = (input: unknown, path: readonly (string | number)[]) => found(valueAt(input, path));

function found(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= FOUND_CHARACTERS_MAX ? text : `${text.slice(0, FOUND_CHARACTERS_MAX)}…`;
}
