import { adaptiveChunks } from './adaptive-chunks.ts';
import type { ResolvedParameterSpace, TaskParameters } from './resolved-job.ts';
import { partOf, partSizes } from './space-parts.ts';

/**
 * How many tasks a step has: of one with fixed chunks, how many chunks; of one whose chunks adapt, how
 * many values. Without a space it has one.
 */
export function taskCount(space: ResolvedParameterSpace | undefined): number {
  return partSizes(space).reduce((total, size) => total + size, 0);
}

/**
 * The parameters of task `index` (0-based; rightmost parameter of the combination fastest, tasks that
 * were added behind all others), by arithmetic on the index: the cost does not depend on the number of
 * tasks. Throws RangeError for an index outside the space, which is a bug of the caller.
 */
export function taskParameters(
  space: ResolvedParameterSpace | undefined,
  index: number,
): TaskParameters {
  const count = taskCount(space);
  if (!Number.isSafeInteger(index) || index < 0 || index >= count) {
    throw new RangeError(`task index ${index} is outside 0 to ${count - 1}`);
  }
  if (space === undefined) return {};
  const part = partOf(space, index);
  return part.at(index - part.first);
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
  return { ...task, [chunks.name]: { type: 'CHUNK[INT]', value: chunks.textOf(first, last) } };
}

/** Walks tasks `from` up to, but not including, `to` (default: all). */
export function* tasksOf(
  space: ResolvedParameterSpace | undefined,
  from = 0,
  to: number = taskCount(space),
): Generator<TaskParameters> {
  for (let index = from; index < to; index++) yield taskParameters(space, index);
}
