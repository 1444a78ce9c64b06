import { compareAccounts, compareSteps } from './rank.ts';
import { priorityClasses, type Ranking, type WaitingStep } from './ranking.ts';

/** Steps for which one decision ends leases of others, and rooms it makes; the rest waits for the next. */
export const OVERDUE_STEPS_MAX = 32;
export const ROOMS_MAX = 32;

/** How soon steps that still wait are looked at again, ms: twice as long each time in vain. */
const AGAIN_MS = 2000;
const AGAIN_MS_MAX = 30_000;

export interface Overdue<S> {
  /** Those first that go first. */
  readonly steps: S[];
  /** When the next will have waited long enough, ms from now; undefined: there is none. */
  readonly nextMs: number | undefined;
}

/**
 * Steps that may have waited long enough for others to make room (`leftMs` is 0). Those behind a full
 * ceiling are not among them: they could not start. Background steps are when their studio is owed.
 */
export function overdueSteps<S extends WaitingStep>(
  ranking: Ranking<S>,
  leftMs: (step: S) => number,
): Overdue<S> {
  const steps: S[] = [];
  let nextMs: number | undefined;
  for (const step of ranking.steps()) {
    const account = ranking.studioAccount(step);
    const mayPreempt = step.priorityClass !== 'background' || account.running < account.guaranteed;
    if (!mayPreempt || ranking.gateOf(step) !== undefined) continue;
    const left = leftMs(step);
    if (left === 0) steps.push(step);
    else nextMs = Math.min(nextMs ?? left, left);
  }
  const rank = (step: S) => priorityClasses.indexOf(step.priorityClass);
  steps.sort(
    (a, b) =>
      rank(a) - rank(b) ||
      compareAccounts(ranking.studioAccount(a), ranking.studioAccount(b)) ||
      compareSteps(a, b),
  );
  return { steps, nextMs };
}

/** When overdue steps are looked at again. */
export class LookAgain {
  private ms = AGAIN_MS;

  /** Something new came to wait. */
  soon(): void {
    this.ms = AGAIN_MS;
  }

  /** Until the next look, ms; `helped`: the last one made room for somebody. */
  nextMs(helped: boolean): number {
    if (helped) this.soon();
    const { ms } = this;
    this.ms = Math.min(2 * ms, AGAIN_MS_MAX);
    return ms;
  }
}
