import type { Explained, FarmFacts } from './explain.ts';
import type { Queue, StepWork, Work } from './forecast.ts';
import { canServe } from './node-standing.ts';
import type { WaitingStep } from './ranking.ts';

/** What runs on each node: mean run times of the steps its leases are of, where they are measured. */
export type RunningMeans = readonly (readonly number[])[];

/** The queue a step stands in, from what explains it. `running`: in the order of the nodes. */
export function queueOf<S extends WaitingStep>(
  step: S,
  work: StepWork,
  explained: Explained<S>,
  farm: FarmFacts<S>,
  ceiling: number | undefined,
  running: RunningMeans,
): Queue {
  const ownMs = work.times.count === 0 ? undefined : work.times.meanMs;
  const own = explained.ahead.filter(({ step: other }) => other.studio === step.studio);
  const higher = explained.ahead.filter(
    ({ step: other, by }) => by === 'class' && other.studio !== step.studio,
  );
  const slots = farm.standings.capacity(step);
  return {
    slots,
    share: shareOf(step, explained.competing, farm, slots),
    most: ceiling,
    ownAhead: workOf(own, ownMs),
    classAhead: workOf(higher, ownMs),
    runningMs: runningMs(step, farm, running) ?? ownMs,
    next: explained.reasons.some(({ kind }) => kind === 'next'),
  };
}

/** The studio's part of the slots against those of its class that want some of the same. */
function shareOf<S extends WaitingStep>(
  step: S,
  competing: readonly S[],
  { ranking }: FarmFacts<S>,
  slots: number,
): number {
  const own = ranking.studioAccount(step);
  const rivals = new Set(
    competing
      .filter(({ priorityClass }) => priorityClass === step.priorityClass)
      .map((other) => ranking.studioAccount(other)),
  );
  rivals.add(own);
  const weights = [...rivals].reduce((sum, { weight }) => sum + weight, 0);
  const owed = slots === 0 ? 0 : Math.min(1, own.guaranteed / slots);
  return Math.max(own.weight / weights, owed);
}

/** Steps never measured count with the mean of the others, else of the asking step. */
function workOf<S extends WaitingStep>(
  ahead: Explained<S>['ahead'],
  ownMs: number | undefined,
): Work | undefined {
  let tasks = 0;
  let known = 0;
  let knownMs = 0;
  for (const { load } of ahead) {
    tasks += load.waiting;
    if (load.meanTaskMs === undefined) continue;
    known += load.waiting;
    knownMs += load.waiting * load.meanTaskMs;
  }
  if (tasks === 0) return { tasks: 0, ms: 0 };
  const meanMs = known > 0 ? knownMs / known : ownMs;
  return meanMs === undefined ? undefined : { tasks, ms: knownMs + (tasks - known) * meanMs };
}

function runningMs<S extends WaitingStep>(
  step: S,
  { standings }: FarmFacts<S>,
  running: RunningMeans,
): number | undefined {
  const means = standings
    .of(step)
    .flatMap((standing, i) => (canServe(standing) ? (running[i] ?? []) : []));
  if (means.length === 0) return undefined;
  return means.reduce((sum, ms) => sum + ms, 0) / means.length;
}
