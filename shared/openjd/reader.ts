import type { Extension } from './extensions.ts';
import { descriptionMax, type Limits, raisedLimitHint } from './limits.ts';
import { suggestion } from './near-miss.ts';
import type { ProblemList, ProblemPath } from './problem.ts';
import { describe, isList, isMap, type TemplateMap, type TemplateValue } from './template-value.ts';
import { codePointLength, findControlCharacter, isIdentifier, quote } from './text-rules.ts';

/** What every rule of a validation shares. */
export interface Validation {
  readonly problems: ProblemList;
  readonly limits: Limits;
  /** Extensions the template names and this implementation has. */
  readonly extensions: ReadonlySet<Extension>;
}

/** The keys a map may have. */
export interface MapShape {
  /** For messages: "a step". */
  readonly what: string;
  readonly required: readonly string[];
  readonly optional: readonly string[];
  /** Keys of the specification that are refused by name: key -> why. */
  readonly unsupported?: Readonly<Record<string, string>>;
}

/** Checks that `value` is a map with the keys of `shape`. Undefined only when it is no map. */
export function readMap(
  { problems }: Validation,
  value: TemplateValue,
  path: ProblemPath,
  shape: MapShape,
): TemplateMap | undefined {
  if (!isMap(value)) {
    problems.mismatch(path, `${shape.what} (a map)`, describe(value));
    return undefined;
  }
  const known = [...shape.required, ...shape.optional];
  for (const key of value.keys()) {
    if (known.includes(key)) continue;
    // Looking for what a key meant is the costly part; a file of nothing but wrong keys is refused.
    if (problems.full) break;
    const at = [...path, key];
    const { unsupported } = shape;
    if (unsupported !== undefined && Object.hasOwn(unsupported, key)) {
      problems.add(at, unsupported[key] ?? '', { found: key, atKey: true });
      continue;
    }
    const names = [...known, ...Object.keys(unsupported ?? {})];
    problems.add(
      at,
      `unknown key ${quote(key)} in ${shape.what}${suggestion(key, names)} (expected ${known.join(', ')})`,
      { found: key, expected: known.join(', '), atKey: true },
    );
  }
  for (const key of shape.required) {
    if (value.has(key)) continue;
    problems.add([...path, key], `${shape.what} needs the key "${key}", which is missing`, {
      found: 'no such key',
      expected: key,
    });
  }
  return value;
}

/** Reads a key when the map has it. */
export function readKey<T>(
  map: TemplateMap,
  key: string,
  path: ProblemPath,
  read: (value: TemplateValue, path: ProblemPath) => T | undefined,
): T | undefined {
  const value = map.get(key);
  return value === undefined ? undefined : read(value, [...path, key]);
}

export interface ListRule {
  readonly what: string;
  readonly min: number;
  readonly max?: number;
}

/** Checks that `value` is a list of the right length. Undefined when its items should not be read. */
export function readList(
  { problems }: Validation,
  value: TemplateValue,
  path: ProblemPath,
  { what, min, max }: ListRule,
): readonly TemplateValue[] | undefined {
  if (!isList(value)) {
    problems.mismatch(path, `a list of ${what}`, describe(value));
    return undefined;
  }
  if (value.length < min) {
    problems.mismatch(path, `at least ${min} of ${what}`, describe(value));
  } else if (max !== undefined && value.length > max) {
    problems.mismatch(path, `at most ${max} of ${what}`, `${value.length}`);
    return undefined;
  }
  return value;
}

/** Reads every item; undefined when any of them was refused. */
export function readItems<T>(
  items: readonly TemplateValue[],
  path: ProblemPath,
  read: (value: TemplateValue, path: ProblemPath) => T | undefined,
): T[] | undefined {
  const read_ = items.map((item, index) => read(item, [...path, index]));
  const good = read_.filter((item) => item !== undefined);
  return good.length === items.length ? good : undefined;
}

export interface TextRule {
  readonly what: string;
  /** Code points. */
  readonly min?: number;
  readonly max?: number;
  /** Said after the maximum, when there is a way to have more. */
  readonly maxHint?: string;
  /** Control characters: none, only line breaks and tabs, or any. */
  readonly control: 'none' | 'lines' | 'any';
}

export function readText(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  rule: TextRule,
): string | undefined {
  if (typeof value !== 'string') {
    const scalar = typeof value === 'bigint' || typeof value === 'number';
    const hint = scalar || typeof value === 'boolean' ? '; put it in quotes to make it text' : '';
    const expected = `${rule.what} (text)`;
    const found = describe(value);
    validation.problems.add(path, `expected ${expected}, found ${found}${hint}`, {
      expected,
      found,
    });
    return undefined;
  }
  return checkText(validation.problems, value, path, rule) ? value : undefined;
}

/** Length and control characters of a text that may have come from anywhere. */
export function checkText(
  problems: ProblemList,
  text: string,
  path: ProblemPath,
  { what, min = 0, max, maxHint = '', control }: TextRule,
): boolean {
  if (!text.isWellFormed()) {
    problems.mismatch(path, `${what} of Unicode characters`, 'half of a surrogate pair');
    return false;
  }
  const length = codePointLength(text);
  if (length < min) {
    const least = min === 1 ? '1 character' : `${min} characters`;
    problems.mismatch(path, `${what} of at least ${least}`, describe(text));
    return false;
  }
  if (max !== undefined && length > max) {
    const expected = `${what} of at most ${max} characters${maxHint}`;
    problems.mismatch(path, expected, `${length} characters`);
    return false;
  }
  const bad = control === 'any' ? undefined : findControlCharacter(text, controlAllowed[control]);
  if (bad === undefined) return true;
  problems.mismatch(path, `${what} without control characters`, bad);
  return false;
}

const controlAllowed = { none: '', lines: '\n\r\t' };

export function readDescription(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
): string | undefined {
  const rule: TextRule = { what: 'a description', min: 1, max: descriptionMax, control: 'lines' };
  return readText(validation, value, path, rule);
}

export function readIdentifier(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  what: string,
): string | undefined {
  const max = validation.limits.identifierMax;
  const maxHint = raisedLimitHint(validation.extensions, 'identifierMax');
  const text = readText(validation, value, path, { what, min: 1, max, maxHint, control: 'any' });
  if (text === undefined) return undefined;
  if (!isIdentifier(text)) {
    const expected = `${what} of letters A-Z a-z, digits and _, not starting with a digit`;
    validation.problems.mismatch(path, expected, quote(text));
    return undefined;
  }
  if (text === '__proto__') {
    // The one identifier that plain JSON objects cannot use as a key.
    validation.problems.add(path, `the name "__proto__" is reserved`, { found: text });
    return undefined;
  }
  return text;
}

export function readChoice<T extends string>(
  { problems }: Validation,
  value: TemplateValue,
  path: ProblemPath,
  choices: readonly T[],
): T | undefined {
  const choice = choices.find((each) => each === value);
  if (choice !== undefined) return choice;
  const expected = choices.length === 1 ? `${choices[0]}` : `one of ${choices.join(', ')}`;
  const hint = typeof value === 'string' ? suggestion(value, choices) : '';
  const found = describe(value);
  problems.add(path, `expected ${expected}, found ${found}${hint}`, { expected, found });
  return undefined;
}

export function readBoolean(
  { problems }: Validation,
  value: TemplateValue,
  path: ProblemPath,
): boolean | undefined {
  if (typeof value === 'boolean') return value;
  problems.mismatch(path, 'true or false', describe(value));
  return undefined;
}

/** An integer written as a number. One beyond what a double holds exactly is as good as the most it does. */
export function readCount(
  { problems }: Validation,
  value: TemplateValue,
  path: ProblemPath,
  { min }: { min: number },
): number | undefined {
  if (typeof value === 'bigint' && value >= BigInt(min)) {
    return value > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : Number(value);
  }
  problems.mismatch(path, `an integer of ${min} or more`, describe(value));
  return undefined;
}

/** Reports names that occur more than once, at each repetition. */
export function checkUnique(
  { problems }: Validation,
  named: readonly { name: string | undefined; path: ProblemPath }[],
  what: string,
): void {
  const seen = new Set<string>();
  for (const { name, path } of named) {
    if (name === undefined) continue;
    if (seen.has(name)) {
      problems.add(path, `two ${what} are named ${quote(name)}; expected different names`, {
        found: name,
        expected: 'a name used once',
      });
    }
    seen.add(name);
  }
}

/** Drops keys whose value is undefined, so that results are plain JSON. */
export function present<T extends object>(value: T): T {
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) Reflect.deleteProperty(value, key);
  }
  return value;
}
