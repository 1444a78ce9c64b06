import type { Marks } from './marks.ts';

const agent = '$' + '{KARST_NODE_DIR##*/}';

/** Shell of a task that notes when it begins and ends, and takes a moment in between. */
export const notedWork = (seconds: number) =>
  `echo "+ ${agent}" >> "$1/work"; sleep ${seconds}; echo "- ${agent}" >> "$1/work"; `;

/** How many such tasks, and on how many nodes, ever ran at the same time. */
export async function mostAtOnce(marks: Marks): Promise<{ tasks: number; nodes: number }> {
  const running = new Map<string, number>();
  const most = { tasks: 0, nodes: 0 };
  for (const line of await marks.lines('work')) {
    const [sign, node = ''] = line.split(' ');
    const count = (running.get(node) ?? 0) + (sign === '+' ? 1 : -1);
    if (count === 0) running.delete(node);
    else running.set(node, count);
    const tasks = [...running.values()].reduce((sum, n) => sum + n, 0);
    most.tasks = Math.max(most.tasks, tasks);
    most.nodes = Math.max(most.nodes, running.size);
  }
  return most;
}
