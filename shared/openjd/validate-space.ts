import {
  combinationLength,
  combinationLengthMax,
  parameterNames,
  parseCombination,
  productOf,
} from './combination.ts';
import { referencesOf } from './format-string.ts';
import { parseIntRange } from './int-range.ts';
import { rangeListMax, taskParametersMax, taskParameterValueMax } from './limits.ts';
import { suggestion } from './near-miss.ts';
import { readFloatText, readIntegerText } from './number-text.ts';
import type { ProblemPath } from './problem.ts';
import {
  checkUnique,
  present,
  readChoice,
  readIdentifier,
  readItems,
  readKey,
  readList,
  readMap,
  readText,
  type Validation,
} from './reader.ts';
import { checkFormatString, type Scope } from './scope.ts';
import { describe, isList, isMap, type TemplateMap, type TemplateValue } from './template-value.ts';
import { codePointLength, quote } from './text-rules.ts';
import type { StepParameterSpace, TaskParameterDefinition, TaskParameterType } from './types.ts';
import { unsupportedTaskParameterTypes } from './unsupported.ts';

const taskTypes: readonly TaskParameterType[] = ['INT', 'FLOAT', 'STRING', 'PATH'];

/** A step's `parameterSpace`. `scope` is the template's: ranges are resolved at creation. */
export function readParameterSpace(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): StepParameterSpace | undefined {
  const map = readMap(validation, value, path, {
    what: 'a parameter space',
    required: ['taskParameterDefinitions'],
    optional: ['combination'],
  });
  if (map === undefined) return undefined;
  const definitions = readKey(map, 'taskParameterDefinitions', path, (item, at) =>
    readDefinitions(validation, item, at, scope),
  );
  const combination = readKey(map, 'combination', path, (item, at) =>
    readCombination(validation, item, at, definitions),
  );
  return definitions === undefined
    ? undefined
    : present({ taskParameterDefinitions: definitions, combination });
}

function readDefinitions(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): TaskParameterDefinition[] | undefined {
  const rule = { what: 'task parameters', min: 1, max: taskParametersMax };
  const items = readList(validation, value, path, rule);
  if (items === undefined) return undefined;
  const named = items.map((item, index) => {
    const name = isMap(item) ? item.get('name') : undefined;
    return { name: typeof name === 'string' ? name : undefined, path: [...path, index, 'name'] };
  });
  checkUnique(validation, named, 'task parameters');
  return readItems(items, path, (item, at) => readDefinition(validation, item, at, scope));
}

function readDefinition(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): TaskParameterDefinition | undefined {
  const given = isMap(value) ? value.get('type') : undefined;
  const unsupported =
    typeof given === 'string' && Object.hasOwn(unsupportedTaskParameterTypes, given)
      ? unsupportedTaskParameterTypes[given]
      : undefined;
  const map = readMap(validation, value, path, {
    what: 'a task parameter definition',
    required: ['name', 'type', 'range'],
    optional: unsupported === undefined ? [] : ['chunks'],
  });
  if (map === undefined) return undefined;
  const name = readKey(map, 'name', path, (item, at) =>
    readIdentifier(validation, item, at, 'a task parameter name'),
  );
  if (unsupported !== undefined) {
    validation.problems.add([...path, 'type'], unsupported, { found: describe(given ?? null) });
    return undefined;
  }
  const type = readKey(map, 'type', path, (item, at) =>
    readChoice(validation, item, at, taskTypes),
  );
  if (type === undefined) return undefined;
  const range = readRange(validation, map, path, type, scope);
  if (name === undefined || range === undefined) return undefined;
  if (type === 'INT') return { name, type, range };
  return typeof range === 'string' ? undefined : { name, type, range };
}

function readRange(
  validation: Validation,
  map: TemplateMap,
  path: ProblemPath,
  type: TaskParameterType,
  scope: Scope,
): string | string[] | undefined {
  return readKey(map, 'range', path, (value, at): string | string[] | undefined => {
    if (type === 'INT' && typeof value === 'string') {
      return readRangeExpression(validation, value, at, scope);
    }
    if (type === 'INT' && !isList(value)) {
      const expected = 'a range expression such as "1-240", or a list of integers';
      validation.problems.mismatch(at, expected, describe(value));
      return undefined;
    }
    const rule = { what: `${type} values`, min: 1, max: rangeListMax };
    const items = readList(validation, value, at, rule);
    if (items === undefined) return undefined;
    return readItems(items, at, (item, itemAt) =>
      readRangeItem(validation, item, itemAt, type, scope),
    );
  });
}

function readRangeExpression(
  validation: Validation,
  text: string,
  path: ProblemPath,
  scope: Scope,
): string | undefined {
  const format = checkFormatString(validation, text, path, scope);
  if (format === undefined) return undefined;
  if (referencesOf(format).length > 0) return text;
  const range = parseIntRange(text);
  if (range.ok) return text;
  const { message, ...details } = range.error;
  validation.problems.add(path, message, details);
  return undefined;
}

/** One value of a list: checked now when it is literal, at creation when it has references. */
function readRangeItem(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  type: TaskParameterType,
  scope: Scope,
): string | undefined {
  const { problems } = validation;
  if (typeof value === 'string') {
    const format = checkFormatString(validation, value, path, scope);
    if (format === undefined) return undefined;
    if (referencesOf(format).length > 0) {
      const literal = format.segments.reduce(
        (total, each) => total + (each.kind === 'literal' ? codePointLength(each.text) : 0),
        0,
      );
      if (literal <= taskParameterValueMax) return value;
      problems.mismatch(path, `at most ${taskParameterValueMax} characters`, `${literal} or more`);
      return undefined;
    }
  }
  if (type === 'INT') return readIntegerText(problems, value, path);
  if (type === 'FLOAT') return readFloatText(problems, value, path);
  const rule = { what: 'a value', min: 1, max: taskParameterValueMax, control: 'any' } as const;
  return readText(validation, value, path, rule);
}

function readCombination(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  definitions: readonly TaskParameterDefinition[] | undefined,
): string | undefined {
  const { problems } = validation;
  const rule = {
    what: 'a combination expression',
    min: 1,
    max: combinationLengthMax,
    control: 'any',
  } as const;
  const text = readText(validation, value, path, rule);
  if (text === undefined) return undefined;
  const tree = parseCombination(text);
  if (!tree.ok) {
    const { message, ...details } = tree.error;
    problems.add(path, message, details);
    return undefined;
  }
  if (definitions === undefined) return text;
  const before = problems.count;
  const used = parameterNames(tree.value);
  const defined = definitions.map(({ name }) => name);
  for (const name of new Set(used)) {
    if (!defined.includes(name)) {
      const hint = suggestion(name, defined);
      problems.add(path, `there is no task parameter ${quote(name)} in this step${hint}`, {
        found: name,
        expected: defined.join(', '),
      });
    } else if (used.indexOf(name) !== used.lastIndexOf(name)) {
      const expected = 'every task parameter exactly once';
      problems.add(path, `${quote(name)} occurs more than once; expected ${expected}`, {
        found: name,
        expected,
      });
    }
  }
  for (const name of defined) {
    if (used.includes(name)) continue;
    const expected = 'every task parameter exactly once';
    problems.add(path, `${quote(name)} does not occur; expected ${expected}`, { expected });
  }
  if (problems.count > before) return undefined;
  const lengths = new Map(definitions.map((each) => [each.name, knownLength(each)]));
  const length = combinationLength(tree.value, (name) => lengths.get(name));
  if (length.ok) return text;
  const { message, ...details } = length.error;
  problems.add(path, message, details);
  return undefined;
}

/** Number of values, where the template alone tells it. */
function knownLength(definition: TaskParameterDefinition): bigint | undefined {
  if (typeof definition.range !== 'string') return BigInt(definition.range.length);
  const range = parseIntRange(definition.range);
  return range.ok ? range.value.length : undefined;
}

/** The space's combination as a tree: as written, or the product in definition order. */
export function combinationOf(space: StepParameterSpace) {
  const names = space.taskParameterDefinitions.map(({ name }) => name);
  if (space.combination === undefined) return productOf(names);
  const tree = parseCombination(space.combination);
  if (!tree.ok) throw new Error(`not a validated combination: ${tree.error.message}`);
  return tree.value;
}
