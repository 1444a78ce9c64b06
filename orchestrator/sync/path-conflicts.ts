import type { TaskResult } from '@karst/shared/protocol/lease.ts';
import type { Verdict } from '../domain/failure-class.ts';
import type { PathConflict } from '../store/span-store.ts';
import type { JudgedReport } from './report-judge.ts';

/** No retry would write elsewhere. */
const verdict: Verdict = { fault: 'task', fatal: true, patient: false, avoidsNode: false };

/**
 * A report in which the success that wrote another task's output has failed for it. `stepName`: of the
 * step that wrote it first.
 */
export function withConflict<T extends JudgedReport>(
  report: T,
  { first, file, task }: PathConflict,
  stepName: string,
): T {
  const failed = new Set<TaskResult>();
  const results = report.results.map((result): TaskResult => {
    if (result.outcome !== 'succeeded' || result.first !== first) return result;
    const path = result.outputs?.[file]?.path ?? 'an output';
    const { outputs: _, ...rest } = result;
    const told: TaskResult = {
      ...rest,
      outcome: 'failed',
      kind: 'outputs',
      message: `${path} was written by ${stepName} task ${task} already: two tasks may not write one output`,
    };
    failed.add(told);
    return told;
  });
  return { ...report, results, judge: (one) => (failed.has(one) ? verdict : report.judge(one)) };
}
