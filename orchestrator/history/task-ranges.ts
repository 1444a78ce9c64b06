import type { TaskRange } from '../store/history-store.ts';

/** These ranges, in order, with some tasks left out. */
export function withoutTasks(
  ranges: readonly TaskRange[],
  tasks: ReadonlySet<number>,
): TaskRange[] {
  if (tasks.size === 0) return [...ranges];
  const out: TaskRange[] = [];
  for (const { first, last } of ranges) {
    let from = first;
    for (let task = first; task <= last; task++) {
      if (!tasks.has(task)) continue;
      if (task > from) out.push({ first: from, last: task - 1 });
      from = task + 1;
    }
    if (from <= last) out.push({ first: from, last });
  }
  return out;
}
