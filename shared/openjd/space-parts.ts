import { isAdaptive } from './adaptive-parameter.ts';
import { chunkValues } from './chunk-values.ts';
import { chunksOf } from './chunks.ts';
import { type Combination, parseCombination } from './combination.ts';
import { nthInRange, parseIntRange } from './int-range.ts';
import type {
  ResolvedParameterSpace,
  ResolvedSpacePart,
  ResolvedTaskParameter,
  TaskParameters,
} from './resolved-job.ts';

/** The tasks that a space began with, or that were added to it at once. */
export interface SpacePart {
  readonly space: ResolvedSpacePart;
  /** The index of its first task. */
  readonly first: number;
  readonly taskCount: number;
  /** The parameters of its task number `index` (0 ≤ index < taskCount). */
  readonly at: (index: number) => TaskParameters;
}

/** One dimension, or several combined: a length, and what an index means. */
interface Axis {
  readonly length: number;
  /** Writes the values at `index` (0 ≤ index < length) into `values`. */
  readonly write: (index: number, values: Map<string, string>) => void;
}

// A stored job's space is opened once and then asked for its tasks one by one.
const opened = new WeakMap<ResolvedParameterSpace, readonly SpacePart[]>();

/** A space's parts in the order of their tasks: one, and each of those added. */
export function partsOf(space: ResolvedParameterSpace): readonly SpacePart[] {
  const known = opened.get(space);
  if (known !== undefined) return known;
  const parts: SpacePart[] = [];
  let first = 0;
  for (const part of [space, ...(space.added ?? [])]) {
    const { length, at } = openPart(part);
    parts.push({ space: part, first, taskCount: length, at });
    first += length;
  }
  opened.set(space, parts);
  return parts;
}

/** The part that has a task. Throws RangeError where there is no such task. */
export function partOf(space: ResolvedParameterSpace, task: number): SpacePart {
  const part = partsOf(space).findLast(({ first }) => first <= task);
  if (part === undefined || task >= part.first + part.taskCount) {
    throw new RangeError(`the space has no task ${task}`);
  }
  return part;
}

/** How many tasks each part of a step has. */
export const partSizes = (space: ResolvedParameterSpace | undefined): readonly number[] =>
  space === undefined ? [1] : partsOf(space).map(({ taskCount }) => taskCount);

function openPart(space: ResolvedSpacePart): {
  length: number;
  at: (index: number) => TaskParameters;
} {
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
  return { length: axis.length, at };
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
