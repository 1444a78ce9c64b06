import { readFormat } from './format-field.ts';
import {
  environmentVariableNameMax,
  environmentVariableValueMax,
  raisedLimitHint,
} from './limits.ts';
import type { ProblemPath } from './problem.ts';
import {
  checkUnique,
  present,
  readDescription,
  readItems,
  readKey,
  readList,
  readMap,
  readText,
  type TextRule,
  type Validation,
} from './reader.ts';
import type { Declared, Scope } from './scope.ts';
import { describe, isList, isMap, type TemplateValue } from './template-value.ts';
import { codePointLength, isIdentifier, quote } from './text-rules.ts';
import type { Environment, EnvironmentActionName, EnvironmentScript } from './types.ts';
import { unsupportedEnvironmentActions, unsupportedScriptKeys } from './unsupported.ts';
import { readAction } from './validate-action.ts';
import { readEmbeddedFiles } from './validate-embedded-files.ts';
import { declaredNames } from './validate-parameters.ts';

const actionNames: readonly EnvironmentActionName[] = ['onEnter', 'onExit'];

/** `jobEnvironments` or `stepEnvironments`; `taken` are names that may not be used again. */
export function readEnvironments(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  jobParameters: Declared,
  taken: ReadonlySet<string> = new Set(),
): Environment[] | undefined {
  const items = readList(validation, value, path, { what: 'environments', min: 1 });
  if (items === undefined) return undefined;
  const named = items.map((item, index) => ({
    name: nameOf(item),
    path: [...path, index, 'name'],
  }));
  checkUnique(validation, named, 'environments');
  for (const { name, path: at } of named) {
    if (name === undefined || !taken.has(name)) continue;
    const expected = "a name that none of the job's environments has";
    const message = `an environment of the job is named ${quote(name)} already; expected ${expected}`;
    validation.problems.add(at, message, { found: name, expected });
  }
  return readItems(items, path, (item, at) => readEnvironment(validation, item, at, jobParameters));
}

/** The names of a list of environments, as far as they can be read. */
export function environmentNames(value: TemplateValue | undefined): ReadonlySet<string> {
  const names = new Set<string>();
  if (value === undefined || !isList(value)) return names;
  for (const item of value) {
    const name = nameOf(item);
    if (name !== undefined) names.add(name);
  }
  return names;
}

function nameOf(value: TemplateValue): string | undefined {
  const name = isMap(value) ? value.get('name') : undefined;
  return typeof name === 'string' ? name : undefined;
}

export function readEnvironment(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  jobParameters: Declared,
): Environment | undefined {
  const map = readMap(validation, value, path, {
    what: 'an environment',
    required: ['name'],
    optional: ['description', 'script', 'variables'],
  });
  if (map === undefined) return undefined;
  if (!map.has('script') && !map.has('variables')) {
    const expected = 'a script, variables or both';
    validation.problems.add(path, `an environment needs ${expected}, and has none of them`, {
      expected,
      found: describe(value),
    });
  }
  const max = validation.limits.environmentNameMax;
  const maxHint = raisedLimitHint(validation.extensions, 'environmentNameMax');
  const nameRule: TextRule = { what: 'an environment name', min: 1, max, maxHint, control: 'none' };
  const name = readKey(map, 'name', path, (item, at) => readText(validation, item, at, nameRule));
  const description = readKey(map, 'description', path, (item, at) =>
    readDescription(validation, item, at),
  );
  const given = map.get('script');
  const files = declaredNames(
    given !== undefined && isMap(given) ? given.get('embeddedFiles') : undefined,
  );
  const scope: Scope = { kind: 'environment', jobParameters, files };
  const script = readKey(map, 'script', path, (item, at) =>
    readEnvironmentScript(validation, item, at, scope),
  );
  const variables = readKey(map, 'variables', path, (item, at) =>
    readVariables(validation, item, at, scope),
  );
  return name === undefined ? undefined : present({ name, description, script, variables });
}

function readEnvironmentScript(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): EnvironmentScript | undefined {
  const map = readMap(validation, value, path, {
    what: 'the script of an environment',
    required: ['actions'],
    optional: ['embeddedFiles'],
    unsupported: unsupportedScriptKeys,
  });
  if (map === undefined) return undefined;
  const actions = readKey(map, 'actions', path, (item, at) => {
    const inner = readMap(validation, item, at, {
      what: 'the actions of an environment',
      required: [],
      optional: actionNames,
      unsupported: unsupportedEnvironmentActions,
    });
    if (inner === undefined) return undefined;
    if (inner.size === 0)
      validation.problems.mismatch(at, 'onEnter, onExit or both', describe(item));
    const read = (name: EnvironmentActionName) =>
      readKey(inner, name, at, (action, actionPath) =>
        readAction(validation, action, actionPath, scope),
      );
    return present({ onEnter: read('onEnter'), onExit: read('onExit') });
  });
  const embeddedFiles = readKey(map, 'embeddedFiles', path, (item, at) =>
    readEmbeddedFiles(validation, item, at, scope),
  );
  return actions === undefined ? undefined : present({ actions, embeddedFiles });
}

function readVariables(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): Record<string, string> | undefined {
  const { problems } = validation;
  if (!isMap(value) || value.size === 0) {
    problems.mismatch(path, 'a map of at least 1 variable', describe(value));
    return undefined;
  }
  const variables = new Map<string, string>();
  for (const [name, item] of value) {
    const at = [...path, name];
    checkVariableName(validation, name, at);
    const rule: TextRule = {
      what: "a variable's value",
      max: environmentVariableValueMax,
      control: 'any',
    };
    const text = readFormat(validation, item, at, scope, rule);
    if (text?.includes('\0')) {
      problems.mismatch(at, "a variable's value without NUL characters", 'U+0000');
    }
    if (text !== undefined) variables.set(name, text);
  }
  return Object.fromEntries(variables);
}

function checkVariableName({ problems }: Validation, name: string, path: ProblemPath): void {
  const length = codePointLength(name);
  if (length > environmentVariableNameMax) {
    const expected = `a variable name of at most ${environmentVariableNameMax} characters`;
    problems.add(path, `expected ${expected}, found ${length} characters`, {
      expected,
      found: `${length} characters`,
      atKey: true,
    });
  } else if (!isIdentifier(name) || name === '__proto__') {
    const expected = 'a variable name of letters A-Z a-z, digits and _, not starting with a digit';
    problems.add(path, `expected ${expected}, found ${quote(name)}`, {
      expected,
      found: name,
      atKey: true,
    });
  }
}
