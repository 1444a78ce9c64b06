import { isAbsolutePath, joinPath } from './join-path.ts';
import { suggestion } from './near-miss.ts';
import { readFloatText, readIntegerText } from './number-text.ts';
import { brokenConstraints } from './parameter-constraints.ts';
import type { ProblemList, ProblemPath } from './problem.ts';
import type { ResolvedParameter } from './resolved-job.ts';
import { describe, fromJson } from './template-value.ts';
import { quote } from './text-rules.ts';
import type { JobParameterDefinition } from './types.ts';

export type ParameterValues = Readonly<Record<string, string | number>>;

/** Where relative PATH values start, as absolute paths. Absent: they stay relative. */
export interface PathBases {
  /** For defaults; they may not leave it. */
  readonly templateDir?: string | undefined;
  /** For values that are given; they may walk out of it. */
  readonly currentDir?: string | undefined;
}

/** Where problems of parameter values are reported: ["parameters", name]. */
const valuePath = (name: string): ProblemPath => ['parameters', name];

/**
 * Gives every parameter its value: the one supplied, else the default. Reports unknown names,
 * missing values, wrong types and broken constraints; those parameters are left out.
 */
export function bindParameters(
  definitions: readonly JobParameterDefinition[],
  values: ParameterValues,
  bases: PathBases,
  problems: ProblemList,
): Map<string, ResolvedParameter> {
  const names = definitions.map(({ name }) => name);
  for (const name of Object.keys(values)) {
    if (names.includes(name)) continue;
    const expected = names.length === 0 ? 'no parameters' : names.join(', ');
    problems.add(
      valuePath(name),
      `the template has no parameter ${quote(name)}${suggestion(name, names)} (expected ${expected})`,
      { found: name, expected },
    );
  }
  const bound = new Map<string, ResolvedParameter>();
  for (const definition of definitions) {
    const value = bindOne(definition, values, bases, problems);
    if (value !== undefined) bound.set(definition.name, resolvedParameter(definition, value));
  }
  return bound;
}

function bindOne(
  definition: JobParameterDefinition,
  values: ParameterValues,
  { templateDir, currentDir }: PathBases,
  problems: ProblemList,
): string | undefined {
  const { name } = definition;
  const path = valuePath(name);
  const given = Object.hasOwn(values, name);
  if (!given && definition.default === undefined) {
    problems.add(path, `the parameter ${quote(name)} has no default and was given no value`, {
      found: 'no value',
      expected: `a value of type ${definition.type}`,
    });
    return undefined;
  }
  const value = given
    ? typedValue(definition, values[name], path, problems)
    : definition.type === 'PATH'
      ? safeDefaultPath(name, definition.default ?? '', problems)
      : definition.default;
  if (value === undefined) return undefined;
  const base = given ? currentDir : templateDir;
  const bound = definition.type === 'PATH' && base !== undefined ? joinPath(base, value) : value;
  // Constraints hold for the value a job works with. Allowed paths are written as they are given.
  const { allowedValues, ...constraints } = definition;
  const allowed = allowedValues !== undefined && !allowedValues.includes(value);
  const broken = brokenConstraints(allowed || bound === value ? definition : constraints, bound);
  for (const { message, ...details } of broken) {
    problems.add(path, `parameter ${quote(name)}: ${message}`, details);
  }
  return broken.length === 0 ? bound : undefined;
}

function typedValue(
  { type }: JobParameterDefinition,
  given: unknown,
  path: ProblemPath,
  problems: ProblemList,
): string | undefined {
  const value = fromJson(given, problems);
  if (value === undefined) return undefined;
  if (type === 'INT') return readIntegerText(problems, value, path);
  if (type === 'FLOAT') return readFloatText(problems, value, path);
  if (typeof value === 'string') return value;
  problems.mismatch(path, `text, as the parameter's type is ${type}`, describe(value));
  return undefined;
}

/**
 * A default path travels with the template, so it must stay inside the template's directory:
 * an absolute one would name a place on whichever machine the job happens to be made.
 */
function safeDefaultPath(name: string, path: string, problems: ProblemList): string | undefined {
  const at = valuePath(name);
  if (isAbsolutePath(path)) {
    const expected = "a path relative to the template's directory";
    problems.add(at, `the default of ${quote(name)} is absolute; expected ${expected}`, {
      found: quote(path),
      expected,
    });
    return undefined;
  }
  let depth = 0;
  for (const part of path.split(/[/\\]/)) {
    if (part === '..') depth--;
    else if (part !== '' && part !== '.') depth++;
    if (depth >= 0) continue;
    const expected = "a path inside the template's directory";
    problems.add(at, `the default of ${quote(name)} leaves the template's directory`, {
      found: quote(path),
      expected,
    });
    return undefined;
  }
  return path;
}

function resolvedParameter(definition: JobParameterDefinition, value: string): ResolvedParameter {
  if (definition.type !== 'PATH') return { type: definition.type, value };
  return {
    type: 'PATH',
    value,
    dataFlow: definition.dataFlow ?? 'NONE',
    objectType: definition.objectType ?? 'DIRECTORY',
  };
}
