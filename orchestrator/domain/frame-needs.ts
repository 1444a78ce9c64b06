import { nthInRange, parseIntRange } from '@karst/shared/openjd/int-range.ts';
import { taskParameters } from '@karst/shared/openjd/parameter-space.ts';
import type { ResolvedParameterSpace } from '@karst/shared/openjd/resolved-job.ts';
import { tasksWith } from '@karst/shared/openjd/tasks-with.ts';
import type { FrameLink } from '@karst/shared/protocol/frame-dependencies.ts';
import type { TaskRange } from './task-order.ts';

type Space = ResolvedParameterSpace | undefined;

/** Tasks of a step that must have succeeded; `all`: the step as a whole. */
export type FrameNeed = { dependency: number } & (TaskRange | { all: true });

/** Tasks of a step, ascending, that wait for some of tasks `first` to `last` of the step it is linked to. */
export function waitingTasks(
  link: FrameLink,
  own: Space,
  other: Space,
  range: TaskRange,
): number[] {
  const tasks = new Set<number>();
  for (let task = range.first; task <= range.last; task++) {
    for (const value of valuesOf(other, task, link.on)) {
      for (const waiting of having(own, link.parameter, value)) tasks.add(waiting);
    }
  }
  return [...tasks].sort((a, b) => a - b);
}

/**
 * What one task waits for: of each step it is linked to, every task that has one of its values (all
 * tiles of its frame, all frames of its chunk). Where the other step lacks one of the values, nobody can
 * tell what the task needs, so it waits for all of that step.
 */
export function neededTasks(
  links: readonly FrameLink[],
  spaceOf: (step: number) => Space,
  own: Space,
  task: number,
): FrameNeed[] {
  return links.flatMap(({ dependency, parameter, on }): FrameNeed[] => {
    const needed = new Set<number>();
    for (const value of valuesOf(own, task, parameter)) {
      let found = false;
      for (const other of having(spaceOf(dependency), on, value)) {
        found = true;
        needed.add(other);
      }
      if (!found) return [{ dependency, all: true }];
    }
    return rangesOf([...needed].sort((a, b) => a - b)).map((range) => ({ dependency, ...range }));
  });
}

/** Ascending numbers as ranges. */
function rangesOf(numbers: readonly number[]): TaskRange[] {
  const ranges: TaskRange[] = [];
  for (const number of numbers) {
    const open = ranges.at(-1);
    if (open !== undefined && open.last + 1 === number) open.last = number;
    else ranges.push({ first: number, last: number });
  }
  return ranges;
}

/** The values of a parameter in a task: several, in a chunk. */
function* valuesOf(space: Space, task: number, name: string): Generator<string> {
  const parameter = taskParameters(space, task)[name];
  if (parameter === undefined) return;
  if (parameter.type !== 'CHUNK[INT]') {
    yield parameter.value;
    return;
  }
  const range = parseIntRange(parameter.value);
  if (!range.ok) throw new Error(`not a chunk: ${range.error.message}`);
  for (let i = 0n; i < range.value.length; i++) yield String(nthInRange(range.value, i));
}

function having(space: Space, parameter: string, value: string): Iterable<number> {
  const tasks = tasksWith(space, { [parameter]: value });
  if (!tasks.ok) throw new Error(tasks.error[0]?.message);
  return tasks.value;
}
