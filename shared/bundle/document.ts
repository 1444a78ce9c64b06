import { suggestion } from '../openjd/near-miss.ts';
import type { Problem, ProblemPath } from '../openjd/problem.ts';
import { ProblemList } from '../openjd/problem.ts';
import type { MapShape } from '../openjd/reader.ts';
import { readSource } from '../openjd/source.ts';
import {
  describe,
  isList,
  isMap,
  type TemplateMap,
  type TemplateValue,
} from '../openjd/template-value.ts';
import { quote } from '../openjd/text-rules.ts';
import { err, ok, type Result } from '../result.ts';

/** Where something stands in a file's text, 1-based. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** What the rules of one file share. */
export interface Reading {
  readonly problems: ProblemList;
  /** `atKey`: where the last key stands, rather than its value. */
  readonly placeOf: (path: ProblemPath, atKey?: boolean) => Place;
}

/**
 * Reads a file that stands beside a template in a bundle: the text as data, then `read`'s rules. Every
 * problem is reported, in reading order. An empty file reads as null.
 */
export function readBundleFile<T>(
  source: string,
  format: 'yaml' | 'json',
  read: (reading: Reading, value: TemplateValue) => T,
): Result<T, Problem[]> {
  const document = readSource(source, format);
  if (!document.ok) return document;
  const { place, value } = document.value;
  const problems = new ProblemList();
  const placeOf = (path: ProblemPath, atKey = false): Place => {
    const { line = 1, column = 1 } = place({ path, message: '', atKey });
    return { line, column };
  };
  const result = read({ problems, placeOf }, value);
  if (problems.count === 0) return ok(result);
  const placed = problems.raw().map(place);
  return err(
    placed.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)),
  );
}

/** Checks that `value` is a map with the keys of `shape`; undefined when it is none. */
export function readKeys(
  { problems }: Reading,
  value: TemplateValue,
  path: ProblemPath,
  { what, required, optional }: Pick<MapShape, 'what' | 'required' | 'optional'>,
): TemplateMap | undefined {
  if (!isMap(value)) {
    problems.mismatch(path, `${what} (a map)`, describe(value));
    return undefined;
  }
  const known = [...required, ...optional];
  for (const key of value.keys()) {
    if (known.includes(key) || problems.full) continue;
    const expected = known.join(', ');
    const hint = suggestion(key, known);
    problems.add(
      [...path, key],
      `unknown key ${quote(key)} in ${what}${hint} (expected ${expected})`,
      { found: key, expected, atKey: true },
    );
  }
  for (const key of required) {
    if (value.has(key)) continue;
    problems.add([...path, key], `${what} needs the key "${key}", which is missing`, {
      found: 'no such key',
      expected: key,
    });
  }
  return value;
}

/** The items of a list that may be absent. */
export function readOptionalList(
  { problems }: Reading,
  value: TemplateValue | undefined,
  path: ProblemPath,
  what: string,
): readonly TemplateValue[] {
  if (value === undefined) return [];
  if (isList(value)) return value;
  problems.mismatch(path, `a list of ${what}`, describe(value));
  return [];
}

/** Whether a file says nothing at all: empty, or an empty map. */
export const isNothing = (value: TemplateValue): boolean =>
  value === null || (isMap(value) && value.size === 0);
