import type { ProblemList, ProblemPath } from './problem.ts';
import { quote } from './text-rules.ts';

/**
 * A document as data, before any rule is applied. Integers are bigint, so that int64 stays exact;
 * a `number` is therefore always a float (or an integer too large for JSON to carry exactly).
 */
export type TemplateValue =
  | null
  | boolean
  | bigint
  | number
  | string
  | readonly TemplateValue[]
  | TemplateMap;

export type TemplateMap = ReadonlyMap<string, TemplateValue>;

/** Documents nest about ten levels; this bounds every recursion over them. */
export const nestingMax = 100;

export function isMap(value: TemplateValue): value is TemplateMap {
  return value instanceof Map;
}

export function isList(value: TemplateValue): value is readonly TemplateValue[] {
  return Array.isArray(value);
}

/** "the text "abc"", "the integer 5", "a list", …: what was found, for a message. */
export function describe(value: TemplateValue): string {
  if (value === null) return 'nothing (null)';
  if (typeof value === 'boolean') return `${value} (a boolean)`;
  if (typeof value === 'bigint') return `the integer ${String(value).slice(0, 60)}`;
  if (typeof value === 'number') return `the number ${value}`;
  if (typeof value === 'string') return value === '' ? 'empty text' : `the text ${quote(value)}`;
  if (isMap(value)) return value.size === 0 ? 'an empty map' : 'a map';
  return value.length === 0 ? 'an empty list' : 'a list';
}

/** Takes in a value as JSON.parse or an HTTP body gives it. Undefined, with a problem, on failure. */
export function fromJson(value: unknown, problems: ProblemList): TemplateValue | undefined {
  return convert(value, [], problems);
}

function convert(
  value: unknown,
  path: ProblemPath,
  problems: ProblemList,
): TemplateValue | undefined {
  if (path.length > nestingMax) {
    problems.add(path, `the document nests more than ${nestingMax} levels deep`);
    return undefined;
  }
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (value === null || typeof value === 'string') return value;
  if (typeof value === 'boolean' || typeof value === 'bigint') return value;
  if (Array.isArray(value)) {
    const list: TemplateValue[] = [];
    for (const [index, item] of value.entries()) {
      const converted = convert(item, [...path, index], problems);
      if (converted === undefined) return undefined;
      list.push(converted);
    }
    return list;
  }
  if (typeof value === 'object') {
    const map = new Map<string, TemplateValue>();
    for (const [key, item] of Object.entries(value)) {
      // An absent optional key may arrive as undefined from code; JSON itself cannot carry it.
      if (item === undefined) continue;
      const converted = convert(item, [...path, key], problems);
      if (converted === undefined) return undefined;
      map.set(key, converted);
    }
    return map;
  }
  problems.mismatch(path, 'a JSON value', `a ${typeof value}`);
  return undefined;
}

/** Back to plain JSON; integers beyond what JSON carries exactly become text. */
export function toJson(value: TemplateValue): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  if (isMap(value)) {
    return Object.fromEntries([...value].map(([key, item]) => [key, toJson(item)]));
  }
  return isList(value) ? value.map(toJson) : value;
}
