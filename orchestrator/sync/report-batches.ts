import type { LeaseReport } from '@karst/shared/protocol/lease.ts';

/** Tasks recorded in one transition, unless one lease alone has more: Redis does nothing else meanwhile. */
const BATCH_TASKS_MAX = 4096;

const tasksOf = ({ results }: LeaseReport): number =>
  results.reduce((tasks, { first, last }) => tasks + Math.max(last - first + 1, 1), 0);

/** Reports that are recorded together: of one step, and of not too many tasks. */
export function reportBatches<T extends { report: LeaseReport }>(
  reports: readonly T[],
): [T, ...T[]][] {
  const batches: [T, ...T[]][] = [];
  const open = new Map<string, { batch: [T, ...T[]]; tasks: number }>();
  for (const one of reports) {
    const name = `${one.report.jobId}/${one.report.step}`;
    const tasks = tasksOf(one.report);
    const known = open.get(name);
    if (known !== undefined && known.tasks + tasks <= BATCH_TASKS_MAX) {
      known.batch.push(one);
      known.tasks += tasks;
      continue;
    }
    const batch: [T, ...T[]] = [one];
    batches.push(batch);
    open.set(name, { batch, tasks });
  }
  return batches;
}
