import { adaptiveChunks, isAdaptive } from './adaptive-chunks.ts';
import { chunkValues } from './chunk-values.ts';
import { chunksOf } from './chunks.ts';
import { type Combination, parseCombination } from './combination.ts';
import { nthInRange, parseIntRange } from './int-range.ts';
import type {
  ResolvedParameterSpace,
  ResolvedTaskParameter,
  TaskParameters,
} from './resolved-job.ts';

/** One dimension, or several combined: a length, and what an index means. */
interface Axis {
  readonly length: number;
  /** Writes the values at `index` (0 ≤ index < length) into `values`. */
  readonly write: (index: number, values: Map<string, string>) => void;
}

interface OpenSpace {
  readonly taskCount: number;
  readonly at: (index: number) => TaskParameters;
}

// A stored job's space is opened once and then asked for its tasks one by one.
const opened = new WeakMap<ResolvedParameterSpace, OpenSpace>();

/**
 * How many tasks a step has: of one with fixed chunks, how many chunks; of one whose chunks adapt, how
 * many values. Without a space it has one.
 */
export function taskCount(space: ResolvedParameterSpace | undefined): number {
  return space === undefined ? 1 : openSpace(space).taskCount;
}

/**
 * The parameters of task `index` (0-based; rightmost parameter of the combination fastest), by
 * arithmetic on the index: the cost does not depend on the number of tasks.
 * Throws RangeError for an index outside the space, which is a bug of the caller.
 */
export function taskParameters(
  space: ResolvedParameterSpace | undefined,
  index: number,
): TaskParameters {
  const count = taskCount(space);
  if (!Number.isSafeInteger(index) || index < 0 || index >= count) {
    throw new RangeError(`task index ${index} is outside 0 to ${count - 1}`);
  }
  return space === undefined ? {} : openSpace(space).at(index);
}

/**
 * The parameters of tasks `first` to `last` that run as one: of a step whose chunks adapt, a chunk;
 * of any other, a single task. Throws RangeError for tasks that may not run together.
 */
export function chunkParameters(
  space: ResolvedParameterSpace | undefined,
  first: number,
  last: number,
): TaskParameters {
  const task = taskParameters(space, first);
  const chunks = adaptiveChunks(space);
  const reach = chunks === undefined ? first : chunks.reach(first);
  if (!Number.isSafeInteger(last) || last < first || last > reach) {
    throw new RangeError(`tasks ${first} to ${last} are no chunk: it may end at ${reach}`);
  }
  if (chunks === undefined) return task;
  const from = first % Number(chunks.values.length);
  const value = chunks.values.textOf(BigInt(from), BigInt(from + last - first));
  return { ...task, [chunks.name]: { type: 'CHUNK[INT]', value } };
}

/** Walks tasks `from` up to, but not including, `to` (default: all). */
export function* tasksOf(
  space: ResolvedParameterSpace | undefined,
  from = 0,
  to: number = taskCount(space),
): Generator<TaskParameters> {
  for (let index = from; index < to; index++) yield taskParameters(space, index);
}

function openSpace(space: ResolvedParameterSpace): OpenSpace {
  const known = opened.get(space);
  if (known !== undefined) return known;
  const axes = new Map<string, Axis>();
  for (const parameter of space.parameters) axes.set(parameter.name, parameterAxis(parameter));
  const combination = parseCombination(space.combination);
  if (!combination.ok) throw new Error(`not a resolved space: ${combination.error.message}`);
  const axis = axisOf(combination.value, axes);
  const at = (index: number): TaskParameters => {
    const values = new Map<string, string>();
    axis.write(index, values);
    const task: TaskParameters = {};
    for (const { name, type } of space.parameters) {
      const value = values.get(name);
      if (value !== undefined) task[name] = { type, value };
    }
    return task;
  };
  const open: OpenSpace = { taskCount: axis.length, at };
  opened.set(space, open);
  return open;
}

function parameterAxis(parameter: ResolvedTaskParameter): Axis {
  const { name } = parameter;
  if (isAdaptive(parameter)) {
    const single = chunkValues(parameter);
    return {
      length: Number(single.length),
      write: (index, values) => {
        values.set(name, single.at(BigInt(index)).toString());
      },
    };
  }
  if (parameter.type === 'CHUNK[INT]') {
    const chunks = chunksOf(parameter);
    return {
      length: Number(chunks.length),
      write: (index, values) => {
        values.set(name, chunks.at(BigInt(index)));
      },
    };
  }
  if ('values' in parameter) {
    const { values: list } = parameter;
    return {
      length: list.length,
      write: (index, values) => {
        const value = list[index];
        if (value !== undefined) values.set(name, value);
      },
    };
  }
  const range = parseIntRange(parameter.range);
  if (!range.ok) throw new Error(`not a resolved range: ${range.error.message}`);
  return {
    length: Number(range.value.length),
    write: (index, values) => {
      const value = nthInRange(range.value, BigInt(index));
      if (value !== undefined) values.set(name, value.toString());
    },
  };
}

function axisOf(tree: Combination, axes: ReadonlyMap<string, Axis>): Axis {
  switch (tree.kind) {
    case 'parameter': {
      const axis = axes.get(tree.name);
      if (axis === undefined) throw new Error(`combination names unknown parameter ${tree.name}`);
      return axis;
    }
    case 'product':
      return productAxis(tree.factors.map((factor) => axisOf(factor, axes)));
    case 'association':
      return associationAxis(tree.parts.map((part) => axisOf(part, axes)));
  }
}

function productAxis(factors: readonly Axis[]): Axis {
  const length = factors.reduce((total, factor) => total * factor.length, 1);
  const fastestFirst = factors.toReversed();
  return {
    length,
    write: (index, values) => {
      let rest = index;
      for (const factor of fastestFirst) {
        factor.write(rest % factor.length, values);
        rest = Math.floor(rest / factor.length);
      }
    },
  };
}

function associationAxis(parts: readonly Axis[]): Axis {
  return {
    length: parts[0]?.length ?? 0,
    write: (index, values) => {
      for (const part of parts) part.write(index, values);
    },
  };
}
