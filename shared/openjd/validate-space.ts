import { needsExtension } from './extensions.ts';
import { referencesOf } from './format-string.ts';
import { parseIntRange } from './int-range.ts';
import { rangeListMax, taskParametersMax, taskParameterValueMax } from './limits.ts';
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
  type TextRule,
  type Validation,
} from './reader.ts';
import { checkFormatString, type Scope } from './scope.ts';
import { describe, isList, isMap, type TemplateMap, type TemplateValue } from './template-value.ts';
import { codePointLength } from './text-rules.ts';
import type { StepParameterSpace, TaskParameterDefinition, TaskParameterType } from './types.ts';
import { checkChunkValues, readChunks } from './validate-chunks.ts';
import { readCombination } from './validate-combination.ts';

const taskTypes: readonly TaskParameterType[] = ['INT', 'FLOAT', 'STRING', 'PATH'];

/** Empty text is a value of STRING, as other implementations have it, and no path anywhere. */
export function taskValueRule(type: 'STRING' | 'PATH'): TextRule {
  const min = type === 'PATH' ? 1 : 0;
  return { what: 'a value', min, max: taskParameterValueMax, control: 'any' };
}

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
  checkOneChunked(validation, items, path);
  return readItems(items, path, (item, at) => readDefinition(validation, item, at, scope));
}

function checkOneChunked(
  { problems }: Validation,
  items: readonly TemplateValue[],
  path: ProblemPath,
): void {
  let chunked = 0;
  for (const [index, item] of items.entries()) {
    if (!isMap(item) || item.get('type') !== 'CHUNK[INT]') continue;
    chunked++;
    if (chunked === 1) continue;
    const expected = 'one task parameter of type CHUNK[INT] in a step';
    problems.mismatch([...path, index, 'type'], expected, `${chunked}`);
  }
}

function readDefinition(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): TaskParameterDefinition | undefined {
  const chunked = isMap(value) && value.get('type') === 'CHUNK[INT]';
  const map = readMap(validation, value, path, {
    what: 'a task parameter definition',
    required: ['name', 'type', 'range', ...(chunked ? ['chunks'] : [])],
    optional: [],
    unsupported: { chunks: 'chunks belongs to task parameters of type CHUNK[INT]' },
  });
  if (map === undefined) return undefined;
  const name = readKey(map, 'name', path, (item, at) =>
    readIdentifier(validation, item, at, 'a task parameter name'),
  );
  const type = readKey(map, 'type', path, (item, at) => readType(validation, item, at));
  if (type === undefined) return undefined;
  const range = readRange(validation, map, path, type, scope);
  const chunks = readKey(map, 'chunks', path, (item, at) =>
    chunked ? readChunks(validation, item, at, scope) : undefined,
  );
  if (name === undefined || range === undefined) return undefined;
  if (type === 'INT') return { name, type, range };
  if (type === 'CHUNK[INT]')
    return chunks === undefined ? undefined : { name, type, range, chunks };
  return typeof range === 'string' ? undefined : { name, type, range };
}

function readType(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
): TaskParameterType | undefined {
  if (validation.extensions.has('TASK_CHUNKING')) {
    return readChoice(validation, value, path, [...taskTypes, 'CHUNK[INT]']);
  }
  if (value !== 'CHUNK[INT]') return readChoice(validation, value, path, taskTypes);
  const message = needsExtension('the task parameter type CHUNK[INT]', 'TASK_CHUNKING');
  validation.problems.add(path, message, { found: describe(value) });
  // Read on as what it is, so that every other problem of it is told as well.
  return value;
}

function readRange(
  validation: Validation,
  map: TemplateMap,
  path: ProblemPath,
  type: TaskParameterType,
  scope: Scope,
): string | string[] | undefined {
  return readKey(map, 'range', path, (value, at): string | string[] | undefined => {
    const integers = type === 'INT' || type === 'CHUNK[INT]';
    if (integers && typeof value === 'string') {
      return readRangeExpression(validation, value, at, scope);
    }
    if (integers && !isList(value)) {
      const expected = 'a range expression such as "1-240", or a list of integers';
      validation.problems.mismatch(at, expected, describe(value));
      return undefined;
    }
    const rule = { what: `${type} values`, min: 1, max: rangeListMax };
    const items = readList(validation, value, at, rule);
    if (items === undefined) return undefined;
    const values = readItems(items, at, (item, itemAt) =>
      readRangeItem(validation, item, itemAt, type, scope),
    );
    if (type === 'CHUNK[INT]') checkChunkValues(validation.problems, values ?? [], at);
    return values;
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
  if (type === 'INT' || type === 'CHUNK[INT]') return readIntegerText(problems, value, path);
  if (type === 'FLOAT') return readFloatText(problems, value, path);
  return readText(validation, value, path, taskValueRule(type));
}
