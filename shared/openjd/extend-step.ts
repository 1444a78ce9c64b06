import { err, ok, type Result } from '../result.ts';
import { combinationLength, isAssociated, parseCombination } from './combination.ts';
import { commonValue } from './common-value.ts';
import { axisLength, typedValue } from './create-space.ts';
import { parseIntRange, printIntRange } from './int-range.ts';
import { rangeListMax } from './limits.ts';
import { suggestion } from './near-miss.ts';
import { ProblemList, type RawProblem } from './problem.ts';
import {
  addedSpacesMax,
  type ResolvedParameterSpace,
  type ResolvedSpacePart,
  type ResolvedStep,
  type ResolvedTaskParameter,
} from './resolved-job.ts';
import { quote } from './text-rules.ts';
import { checkChunkValues } from './validate-chunks.ts';

/** By name of a task parameter: a range expression (`241-300`), or a list of values. */
export type AddedRanges = Readonly<Record<string, string | readonly (string | number)[]>>;

/** How many tasks the job of the step has, and may have. */
export interface JobSize {
  readonly tasks: number;
  readonly tasksMax: number;
}

export interface ExtendedStep {
  readonly step: ResolvedStep;
  /** Index of the first task that was added, and of the last. */
  readonly first: number;
  readonly last: number;
}

/**
 * A step with more tasks behind those it has: the parameters named take the new values, combined with
 * the values that the step began with of all others. No index of a task that is there changes. Or every
 * problem; paths start with "ranges", or are "step". Nothing is added that is there already.
 */
export function extendStep(
  step: ResolvedStep,
  ranges: AddedRanges,
  job: JobSize,
): Result<ExtendedStep, RawProblem[]> {
  const problems = new ProblemList();
  const space = step.parameterSpace;
  if (space === undefined) {
    const message = `${quote(step.name)} has no task parameters: it is one task, and no other can be added`;
    problems.add(['step'], message, { found: step.name });
    return err([...problems.raw()]);
  }
  const part = partWith(space, ranges, problems);
  if (part === undefined) return err([...problems.raw()]);
  const tasks = countTasks(part, problems);
  const added = space.added ?? [];
  if (added.length >= addedSpacesMax) {
    const message = `tasks were added to ${quote(step.name)} ${added.length} times already; expected at most ${addedSpacesMax}: submit the others as a job of their own`;
    problems.add(['step'], message, { found: `${added.length}` });
  }
  for (const old of [space, ...added]) {
    if (problems.count > 0) break;
    refuseOverlap(step.name, old, part, Object.keys(ranges), problems);
  }
  const total = BigInt(job.tasks) + (tasks ?? 0n);
  if (total > BigInt(job.tasksMax)) {
    const expected = `at most ${job.tasksMax} tasks in a job`;
    const message = `the job would have ${total} tasks; expected ${expected}`;
    problems.add(['ranges'], message, { found: `${total}`, expected });
  }
  if (tasks === undefined || problems.count > 0) return err([...problems.raw()]);
  const taskCount = step.taskCount + Number(tasks);
  return ok({
    step: { ...step, taskCount, parameterSpace: { ...space, added: [...added, part] } },
    first: step.taskCount,
    last: taskCount - 1,
  });
}

function partWith(
  { parameters, combination }: ResolvedParameterSpace,
  ranges: AddedRanges,
  problems: ProblemList,
): ResolvedSpacePart | undefined {
  const names = parameters.map(({ name }) => name);
  const given = Object.entries(ranges);
  if (given.length === 0) {
    const expected = `new values of ${names.join(', ')}`;
    problems.add(['ranges'], `expected ${expected}, found none`, { found: 'none', expected });
  }
  for (const [name] of given) {
    if (names.includes(name)) continue;
    const message = `the step has no task parameter ${quote(name)}${suggestion(name, names)} (expected ${names.join(', ')})`;
    problems.add(['ranges', name], message, { found: name, expected: names.join(', ') });
  }
  const taken = parameters.map((parameter) => {
    const values = Object.hasOwn(ranges, parameter.name) ? ranges[parameter.name] : undefined;
    return values === undefined ? parameter : withValues(parameter, values, problems);
  });
  if (problems.count > 0) return undefined;
  return { parameters: taken.filter((parameter) => parameter !== undefined), combination };
}

/** The parameter with other values, under the rules of OpenJD for them. */
function withValues(
  parameter: ResolvedTaskParameter,
  values: string | readonly (string | number)[],
  problems: ProblemList,
): ResolvedTaskParameter | undefined {
  const { name, type } = parameter;
  const path = ['ranges', name];
  if (typeof values === 'string') {
    if (type !== 'INT' && type !== 'CHUNK[INT]') {
      problems.mismatch(path, `a list of ${type} values`, quote(values));
      return undefined;
    }
    const parsed = parseIntRange(values);
    if (!parsed.ok) {
      const { message, ...details } = parsed.error;
      problems.add(path, message, details);
      return undefined;
    }
    const range = printIntRange(parsed.value);
    if (parameter.type !== 'CHUNK[INT]') return { name, type: 'INT', range };
    return { name, type: parameter.type, range, chunks: parameter.chunks };
  }
  if (values.length < 1 || values.length > rangeListMax) {
    problems.mismatch(path, `1 to ${rangeListMax} values`, `${values.length}`);
    return undefined;
  }
  const before = problems.count;
  const texts = values.map((value, index) => typedValue(type, value, [...path, index], problems));
  const read = texts.filter((text) => text !== undefined);
  if (type === 'CHUNK[INT]') checkChunkValues(problems, read, path);
  if (problems.count > before) return undefined;
  if (parameter.type !== 'CHUNK[INT]') return { name, type: parameter.type, values: read };
  return { name, type: parameter.type, values: read, chunks: parameter.chunks };
}

function countTasks(part: ResolvedSpacePart, problems: ProblemList): bigint | undefined {
  const tree = parseCombination(part.combination);
  if (!tree.ok) throw new Error(`not a resolved space: ${tree.error.message}`);
  const lengths = new Map(part.parameters.map((each) => [each.name, axisLength(each)]));
  const length = combinationLength(tree.value, (name) => lengths.get(name));
  if (length.ok) return length.value;
  const { message, ...details } = length.error;
  problems.add(['ranges'], message, details);
  return undefined;
}

/**
 * Two parts have a task in common where they have a value of each parameter in common. Of parameters
 * that go in step ( , ) the values might still never meet; those are not told apart.
 */
function refuseOverlap(
  step: string,
  old: ResolvedSpacePart,
  part: ResolvedSpacePart,
  named: readonly string[],
  problems: ProblemList,
): void {
  const common: string[] = [];
  for (const [index, parameter] of part.parameters.entries()) {
    const before = old.parameters[index];
    const value = before && commonValue(parameter, before);
    if (value === undefined) return;
    common.push(`${parameter.name} ${value}`);
  }
  const tree = parseCombination(part.combination);
  const goInStep = ({ name }: ResolvedTaskParameter) => tree.ok && isAssociated(tree.value, name);
  const found = common.join(', ');
  const has = part.parameters.some(goInStep)
    ? `${quote(step)} uses these values already`
    : `${quote(step)} has such a task already`;
  const expected = 'values that no task of the step has';
  const path = named.length === 1 ? ['ranges', ...named] : ['ranges'];
  problems.add(path, `${has}: ${found}; expected ${expected}`, { found, expected });
}
