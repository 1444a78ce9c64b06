import { z } from 'zod';
import { suggestion } from '../openjd/near-miss.ts';
import type { ProblemPath, RawProblem } from '../openjd/problem.ts';
import { describe, isList, isMap, type TemplateValue } from '../openjd/template-value.ts';
import { quote } from '../openjd/text-rules.ts';

type Issue = z.core.$ZodIssue;

/** A map of fields that takes no others; a misspelt one is told what it probably meant. */
export function fieldMap<Shape extends z.core.$ZodLooseShape>(what: string, shape: Shape) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return undefined;
      const keys = issue.keys.map((key) => `${quote(key)}${suggestion(key, known)}`);
      return `unknown key ${keys.join(' and ')} in ${what} (expected ${known.join(', ')})`;
    },
  });
}

/** What zod refused, in our words. `root` is the whole document, `base` where zod's data stands in it. */
export function fieldProblems(
  issues: readonly Issue[],
  root: TemplateValue,
  base: ProblemPath,
): RawProblem[] {
  return issues.map((issue) => {
    const path = [...base, ...issue.path.map((part) => (typeof part === 'symbol' ? '' : part))];
    if (issue.code === 'unrecognized_keys') {
      const key = issue.keys[0] ?? '';
      const ours = issue.message.startsWith('unknown key');
      const message = ours ? issue.message : `unknown key ${quote(key)}`;
      return { path: [...path, key], message, found: key, atKey: true };
    }
    const value = valueAt(root, path);
    const expected = expectation(issue);
    if (value === undefined) {
      const name = String(path.at(-1) ?? '');
      const message = `the key "${name}" is missing; expected ${expected}`;
      return { path, message, expected, found: 'no such key' };
    }
    const found = describe(value);
    const hint =
      issue.code === 'invalid_value' && typeof value === 'string'
        ? suggestion(value, issue.values.map(String))
        : '';
    return { path, message: `expected ${expected}, found ${found}${hint}`, expected, found };
  });
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map',
  record: 'a map',
  array: 'a list',
};

const plain = (message: string): string => message.replace(/^expected /, '');

/** The rules' own messages say what is expected, with or without that word. */
function expectation(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.expected === 'never') return plain(issue.message);
      return typeNames[issue.expected] ?? issue.expected;
    case 'invalid_value':
      return issue.values.length === 1
        ? String(issue.values[0])
        : `one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return `at least ${issue.minimum}${unitOf(issue.origin)}`;
    case 'too_big':
      return `at most ${issue.maximum}${unitOf(issue.origin)}`;
    default:
      return plain(issue.message);
  }
}

const unitOf = (origin: string): string =>
  origin === 'string' ? ' characters' : origin === 'array' ? ' items' : '';

function valueAt(root: TemplateValue, path: ProblemPath): TemplateValue | undefined {
  let value: TemplateValue | undefined = root;
  for (const part of path) {
    if (value === undefined) return undefined;
    if (isMap(value)) value = value.get(String(part));
    else if (isList(value) && typeof part === 'number') value = value[part];
    else return value;
  }
  return value;
}
