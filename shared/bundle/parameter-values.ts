import type { Problem, ProblemPath } from '../openjd/problem.ts';
import { describe, isList, type TemplateValue, toJson } from '../openjd/template-value.ts';
import { quote } from '../openjd/text-rules.ts';
import type { PolicyValues } from '../protocol/policy-fields.ts';
import { fieldProblems } from '../recipes/field-problems.ts';
import { policyMapSchema } from '../recipes/policy-map.ts';
import type { Result } from '../result.ts';
import {
  isNothing,
  type Place,
  type Reading,
  readBundleFile,
  readKeys,
  readOptionalList,
} from './document.ts';
import { type BundlePolicy, readPolicyValue } from './policy-values.ts';

/** A bundle's parameter_values file. */
export interface ParameterValuesFile {
  /** Template parameter -> its value, and where the value stands. Integers beyond 2^53 are text. */
  readonly values: ReadonlyMap<string, { readonly value: string | number } & Place>;
  /** What `karst:policy` says, and before that the `deadline:` values. */
  readonly policy: BundlePolicy;
  /** Where in the file a part of `karst:policy` stands. */
  readonly policyPlace: (path: ProblemPath, atKey?: boolean) => Place;
  /** Steps that `karst:hold` names, and where. */
  readonly holds: readonly ({ readonly step: string } & Place)[];
  /** Names of values that belong to other farms (`other:name`), which nothing here reads. */
  readonly foreign: readonly string[];
}

const POLICY_PREFIX = 'deadline:';
/** Deadline has no such thing, and leaves names with another prefix alone. */
const HOLD = 'karst:hold';
const POLICY = 'karst:policy';

/** Parses parameter_values.yaml or .json. Every problem of the file, with line and column. */
export function parseParameterValues(
  source: string,
  format: 'yaml' | 'json',
): Result<ParameterValuesFile, Problem[]> {
  return readBundleFile(source, format, readFile);
}

function readFile(reading: Reading, document: TemplateValue): ParameterValuesFile {
  const values = new Map<string, { value: string | number } & Place>();
  const ofDeadline: BundlePolicy = {};
  let whole: PolicyValues = {};
  let wholeAt: ProblemPath = [];
  const holds: ({ step: string } & Place)[] = [];
  const foreign: string[] = [];
  const file = () => ({
    values,
    policy: { ...whole, ...ofDeadline },
    policyPlace: (at: ProblemPath, atKey = false) => reading.placeOf([...wholeAt, ...at], atKey),
    holds,
    foreign,
  });
  if (isNothing(document)) return file();
  const map = readKeys(reading, document, [], {
    what: 'a parameter_values file',
    required: ['parameterValues'],
    optional: [],
  });
  if (map === undefined) return file();
  const path: ProblemPath = ['parameterValues'];
  const items = readOptionalList(reading, map.get('parameterValues'), path, 'parameter values');
  const seen = new Set<string>();
  for (const [index, item] of items.entries()) {
    const entry = readEntry(reading, item, [...path, index]);
    if (entry === undefined) continue;
    const { name, value } = entry;
    if (seen.has(name)) {
      const message = `the parameter ${quote(name)} is given two values; expected one`;
      reading.problems.add([...path, index, 'name'], message, { found: name });
      continue;
    }
    seen.add(name);
    const at = [...path, index, 'value'];
    if (name.startsWith(POLICY_PREFIX)) {
      const nameAt = [...path, index, 'name'];
      readPolicyValue(reading.problems, ofDeadline, { name, value, nameAt, valueAt: at });
    } else if (name === POLICY) {
      whole = readWhole(reading, value, at);
      wholeAt = at;
    } else if (name === HOLD) {
      holds.push(...readHolds(reading, value, at));
    } else if (name.includes(':')) {
      foreign.push(name);
    } else {
      const scalar = readScalar(reading, value, at);
      if (scalar !== undefined) values.set(name, { value: scalar, ...reading.placeOf(at) });
    }
  }
  return file();
}

/** A policy as a map, the one of recipe files. */
function readWhole(reading: Reading, value: TemplateValue, path: ProblemPath): PolicyValues {
  const parsed = policyMapSchema.safeParse(toJson(value));
  if (parsed.success) return parsed.data;
  for (const { path: at, message, ...rest } of fieldProblems(parsed.error.issues, value, [])) {
    reading.problems.add([...path, ...at], message, rest);
  }
  return {};
}

function readEntry(
  reading: Reading,
  item: TemplateValue,
  path: ProblemPath,
): { name: string; value: TemplateValue } | undefined {
  const map = readKeys(reading, item, path, {
    what: 'a parameter value',
    required: ['name', 'value'],
    optional: [],
  });
  const name = map?.get('name');
  const value = map?.get('value');
  if (name === undefined || value === undefined) return undefined;
  if (typeof name === 'string' && name !== '') return { name, value };
  reading.problems.mismatch([...path, 'name'], 'the name of a parameter (text)', describe(name));
  return undefined;
}

/** The name of a step, or a list of them. */
function readHolds(
  reading: Reading,
  value: TemplateValue,
  path: ProblemPath,
): ({ step: string } & Place)[] {
  const items = isList(value) ? value.map((item, i) => ({ item, at: [...path, i] })) : undefined;
  return (items ?? [{ item: value, at: [...path] }]).flatMap(({ item, at }) => {
    if (typeof item === 'string' && item !== '') return [{ step: item, ...reading.placeOf(at) }];
    reading.problems.mismatch(at, 'the name of a step (text)', describe(item));
    return [];
  });
}

function readScalar(
  { problems }: Reading,
  value: TemplateValue,
  path: ProblemPath,
): string | number | undefined {
  if (typeof value === 'string' || typeof value === 'number') return value;
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  const hint = typeof value === 'boolean' ? '; put it in quotes to make it text' : '';
  const found = describe(value);
  const expected = 'a value that is text or a number';
  problems.add(path, `expected ${expected}, found ${found}${hint}`, { expected, found });
  return undefined;
}
