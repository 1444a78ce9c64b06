import { type Combination, combinationLength, printCombination } from './combination.ts';
import { parseFormatString, resolveFormatString } from './format-string.ts';
import { type IntRange, parseIntRange, printIntRange } from './int-range.ts';
import { taskParameterValueMax } from './limits.ts';
import { readFloatText, readIntegerText } from './number-text.ts';
import type { ProblemList, ProblemPath } from './problem.ts';
import { checkText } from './reader.ts';
import type { ResolvedParameterSpace, ResolvedTaskParameter } from './resolved-job.ts';
import type { StepParameterSpace, TaskParameterDefinition } from './types.ts';
import { combinationOf } from './validate-space.ts';

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
  return { space: { parameters, combination: printCombination(tree) }, tasks, longestRange };
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
  if (typeof range === 'string') {
    const parsed = resolveExpression(range, path, symbols, problems);
    if (parsed === undefined) return undefined;
    const parameter = { name, type: 'INT' as const, range: printIntRange(parsed) };
    return { parameter, length: parsed.length };
  }
  const values: string[] = [];
  for (const [index, item] of range.entries()) {
    const at = [...path, index];
    const text = resolveText(item, at, symbols, problems);
    const value = text === undefined ? undefined : typedValue(type, text, at, problems);
    if (value !== undefined) values.push(value);
  }
  if (values.length < range.length) return undefined;
  return { parameter: { name, type, values }, length: BigInt(values.length) };
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

function typedValue(
  type: TaskParameterDefinition['type'],
  text: string,
  path: ProblemPath,
  problems: ProblemList,
): string | undefined {
  if (type === 'INT') return readIntegerText(problems, text, path);
  if (type === 'FLOAT') return readFloatText(problems, text, path);
  const rule = { what: 'a value', min: 1, max: taskParameterValueMax, control: 'any' } as const;
  return checkText(problems, text, path, rule) ? text : undefined;
}

/** Resolves a template-scope format string; a reference to a refused parameter stays silent. */
export function resolveText(
  text: string,
  path: ProblemPath,
  symbols: ReadonlyMap<string, string>,
  problems: ProblemList,
): string | undefined {
  const format = parseFormatString(text);
  const resolved = format.ok ? resolveFormatString(format.value, symbols) : format;
  if (resolved.ok) return resolved.value;
  // Symbols are missing only when their parameter's value was refused, which is reported already.
  if (problems.count === 0) {
    for (const { message, ...details } of resolved.error) problems.add(path, message, details);
  }
  return undefined;
}
