import { isAdaptive } from './adaptive-parameter.ts';
import { chunkValues } from './chunk-values.ts';
import { chunksOf } from './chunks.ts';
import {
  type Combination,
  combinationLength,
  printCombination,
  withFastest,
} from './combination.ts';
import { type IntRange, parseIntRange, printIntRange } from './int-range.ts';
import { readFloatText, readIntegerText } from './number-text.ts';
import {
  chunkTaskCountRule,
  type NumericRule,
  resolveNumericField,
  targetRuntimeRule,
} from './numeric-field.ts';
import type { ProblemList, ProblemPath } from './problem.ts';
import { checkText } from './reader.ts';
import { resolveText } from './resolve-text.ts';
import type {
  ResolvedChunks,
  ResolvedParameterSpace,
  ResolvedTaskParameter,
} from './resolved-job.ts';
import type { ChunksDefinition, StepParameterSpace, TaskParameterDefinition } from './types.ts';
import { checkChunkValues } from './validate-chunks.ts';
import { combinationOf } from './validate-combination.ts';
import { taskValueRule } from './validate-space.ts';

/** A step's space with its ranges resolved, and how many tasks it stands for. */
export interface CreatedSpace {
  readonly space: ResolvedParameterSpace;
  /** Exact; may be beyond what a number holds. */
  readonly tasks: bigint;
  /** Path of the longest range: where "too many tasks" is reported. */
  readonly longestRange: ProblemPath;
}

/** Resolves the ranges of a space and checks again what only their values can tell. */
export function createSpace(
  definition: StepParameterSpace,
  path: ProblemPath,
  symbols: ReadonlyMap<string, string>,
  problems: ProblemList,
): CreatedSpace | undefined {
  const lengths = new Map<string, bigint>();
  const parameters: ResolvedTaskParameter[] = [];
  let longest = 0n;
  let longestRange: ProblemPath = path;
  for (const [index, task] of definition.taskParameterDefinitions.entries()) {
    const at = [...path, 'taskParameterDefinitions', index, 'range'];
    const resolved = resolveRange(task, at, symbols, problems);
    if (resolved === undefined) continue;
    parameters.push(resolved.parameter);
    lengths.set(task.name, resolved.length);
    if (resolved.length > longest) {
      longest = resolved.length;
      longestRange = at;
    }
  }
  if (parameters.length < definition.taskParameterDefinitions.length) return undefined;
  const tree = combinationOf(definition);
  const tasks = countTasks(tree, lengths, [...path, 'combination'], problems);
  if (tasks === undefined) return undefined;
  const adaptive = parameters.find(isAdaptive);
  // A chunk is a run of tasks, so its parameter must be the one that varies fastest.
  const ordered = adaptive === undefined ? tree : withFastest(tree, adaptive.name);
  return { space: { parameters, combination: printCombination(ordered) }, tasks, longestRange };
}

function countTasks(
  tree: Combination,
  lengths: ReadonlyMap<string, bigint>,
  path: ProblemPath,
  problems: ProblemList,
): bigint | undefined {
  const length = combinationLength(tree, (name) => lengths.get(name));
  if (length.ok) return length.value;
  const { message, ...details } = length.error;
  problems.add(path, message, details);
  return undefined;
}

function resolveRange(
  task: TaskParameterDefinition,
  path: ProblemPath,
  symbols: ReadonlyMap<string, string>,
  problems: ProblemList,
): { parameter: ResolvedTaskParameter; length: bigint } | undefined {
  const { name, type, range } = task;
  const chunks =
    task.type === 'CHUNK[INT]'
      ? resolveChunks(task.chunks, [...path.slice(0, -1), 'chunks'], symbols, problems)
      : undefined;
  if (typeof range === 'string') {
    const parsed = resolveExpression(range, path, symbols, problems);
    if (parsed === undefined) return undefined;
    const text = printIntRange(parsed);
    if (type !== 'CHUNK[INT]') {
      return { parameter: { name, type: 'INT', range: text }, length: parsed.length };
    }
    if (chunks === undefined) return undefined;
    const parameter = { name, type, range: text, chunks };
    return { parameter, length: axisLength(parameter) };
  }
  const values: string[] = [];
  for (const [index, item] of range.entries()) {
    const at = [...path, index];
    const text = resolveText(item, at, symbols, problems);
    const value = text === undefined ? undefined : typedValue(type, text, at, problems);
    if (value !== undefined) values.push(value);
  }
  if (values.length < range.length) return undefined;
  if (type !== 'CHUNK[INT]') {
    return { parameter: { name, type, values }, length: BigInt(values.length) };
  }
  const before = problems.count;
  checkChunkValues(problems, values, path);
  if (chunks === undefined || problems.count > before) return undefined;
  const parameter = { name, type, values, chunks };
  return { parameter, length: axisLength(parameter) };
}

/** How many tasks the parameter stands for by itself. */
export function axisLength(parameter: ResolvedTaskParameter): bigint {
  if (isAdaptive(parameter)) return chunkValues(parameter).length;
  if (parameter.type === 'CHUNK[INT]') return chunksOf(parameter).length;
  if ('values' in parameter) return BigInt(parameter.values.length);
  const range = parseIntRange(parameter.range);
  if (!range.ok) throw new Error(`not a resolved range: ${range.error.message}`);
  return range.value.length;
}

function resolveChunks(
  { defaultTaskCount, targetRuntimeSeconds = 0, rangeConstraint }: ChunksDefinition,
  path: ProblemPath,
  symbols: ReadonlyMap<string, string>,
  problems: ProblemList,
): ResolvedChunks | undefined {
  const number = (key: string, value: number | string, rule: NumericRule) =>
    resolveNumericField(value, [...path, key], rule, symbols, problems);
  const taskCount = number('defaultTaskCount', defaultTaskCount, chunkTaskCountRule);
  const target = number('targetRuntimeSeconds', targetRuntimeSeconds, targetRuntimeRule);
  if (taskCount === undefined || target === undefined) return undefined;
  const adaptive = target === 0 ? {} : { targetRuntimeSeconds: target };
  return { defaultTaskCount: taskCount, ...adaptive, rangeConstraint };
}

function resolveExpression(
  expression: string,
  path: ProblemPath,
  symbols: ReadonlyMap<string, string>,
  problems: ProblemList,
): IntRange | undefined {
  const text = resolveText(expression, path, symbols, problems);
  if (text === undefined) return undefined;
  const range = parseIntRange(text);
  if (range.ok) return range.value;
  const { message, ...details } = range.error;
  problems.add(path, message, details);
  return undefined;
}

/** A value under the rules of its type, as it is stored. */
export function typedValue(
  type: TaskParameterDefinition['type'],
  value: string | number,
  path: ProblemPath,
  problems: ProblemList,
): string | undefined {
  // What is exact as a number comes as one; anything else is told as it stands.
  const exact = Number.isSafeInteger(value) ? String(value) : value;
  if (type === 'INT' || type === 'CHUNK[INT]') return readIntegerText(problems, exact, path);
  if (type === 'FLOAT') return readFloatText(problems, value, path);
  const text = String(value);
  return checkText(problems, text, path, taskValueRule(type)) ? text : undefined;
}
