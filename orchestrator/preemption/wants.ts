import type { RunnableStep } from '../dispatch/runnable-steps.ts';
import type { SpanQueue } from '../queue/span-queue.ts';
import type { Budgets } from '../scheduler/budgets.ts';
import { entryCost } from '../scheduler/cost.ts';
import { OVERDUE_STEPS_MAX, overdueSteps } from '../scheduler/overdue.ts';
import type { Want } from '../scheduler/preempt.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import { type StepRecord, startable } from '../store/job-record.ts';
import type { JobStore } from '../store/job-store.ts';
import type { Ledger } from '../store/ledger.ts';
import type { PreemptStore } from '../store/preempt-store.ts';
import type { SpanStore } from '../store/span-store.ts';
import type { WaitingClock } from './waiting-clock.ts';

export interface StepWant extends Want {
  readonly runnable: RunnableStep;
}

export interface WantsParts {
  jobs: JobStore;
  spans: SpanStore;
  queue: SpanQueue;
  ledger: Ledger;
  budgets: Budgets;
  preempts: PreemptStore;
  scheduler: Scheduler<RunnableStep>;
  waiting: WaitingClock;
}

/** Steps that have waited long enough for others to make room, those first that go first. */
export function overdueNow({ scheduler, waiting }: WantsParts): RunnableStep[] {
  const { steps, nextMs } = overdueSteps(scheduler.ranking, (step) => waiting.leftMs(step));
  if (nextMs !== undefined) waiting.arm(nextMs);
  return steps;
}

/** What steps could start at once if there were room; `underWay`: leases room is being made for. */
export async function wantsOf(
  parts: WantsParts,
  steps: readonly RunnableStep[],
  underWay: (step: RunnableStep) => number,
  leasesMax: number,
): Promise<StepWant[]> {
  const wants: StepWant[] = [];
  for (const runnable of steps.slice(0, OVERDUE_STEPS_MAX)) {
    const { studio, priorityClass, shape } = runnable;
    const most = Math.min(
      leasesMax,
      parts.budgets.leasesLeft(runnable, entryCost(runnable)),
      await roomUnderCeilings(parts, runnable),
    );
    if (most === 0) continue;
    const count = (await startableLeases(parts, runnable, most)) - underWay(runnable);
    if (count > 0) wants.push({ studio, priorityClass, shape, count, runnable });
  }
  return wants;
}

async function startableLeases(
  { jobs, spans, queue, preempts }: WantsParts,
  { jobId, step }: RunnableStep,
  most: number,
): Promise<number> {
  const [job, record, isPaused] = await Promise.all([
    jobs.read(jobId),
    jobs.step(jobId, step),
    preempts.isPaused(jobId, step),
  ]);
  const takesGrants = job?.state === 'pending' || job?.state === 'running';
  if (isPaused || !takesGrants || record === undefined || !startable(record)) return 0;
  const unfed = unfedTasks(record);
  if (unfed >= most) return most;
  // Nobody is ended for a rerun: its tasks run.
  const queued = (await spans.list(jobId, step)).filter(
    (span) => span.state === 'queued' && span.original === undefined,
  );
  // A task that waits for its retry can't start, whatever room there is.
  const { delayed } = await queue.look({ jobId, step });
  const ready = queued.filter(({ spanId }) => !delayed.has(spanId)).length;
  return Math.min(most, unfed + ready);
}

/** Tasks in no span yet that could be; those that wait for single tasks of other steps can't. */
const unfedTasks = ({ total, cursor, frame_deps }: StepRecord): number =>
  frame_deps === undefined ? Math.max(0, total - cursor) : 0;

async function roomUnderCeilings(
  { ledger }: WantsParts,
  { counters }: RunnableStep,
): Promise<number> {
  const rooms = (await ledger.left(counters)).map(({ counter, left }) =>
    Math.floor(left / counter.amount),
  );
  return Math.max(0, Math.min(Number.MAX_SAFE_INTEGER, ...rooms));
}
