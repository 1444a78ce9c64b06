import type { Clock } from '@karst/shared/clock.ts';
import { fitsBefore } from '../scheduler/gang.ts';
import type { NodeView } from '../scheduler/scheduler.ts';
import type { FarmSurvey } from '../store/farm-survey.ts';
import type { RunnableStep, RunnableSteps } from './runnable-steps.ts';

/** Steps looked at for one call: each costs a look at its run times. */
const STEPS_MAX = 4;

export interface BackfillParts {
  runnable: RunnableSteps;
  survey: FarmSurvey;
  clock: Clock;
  /** What a span of several tasks is made to take, ms. */
  spanTargetMs: number;
}

/** Steps that fit the node, tasks of which are over by `untilMs`; those first that go first. */
export async function* backfillSteps(
  { runnable, survey, clock, spanTargetMs }: BackfillParts,
  node: NodeView,
  untilMs: number,
): AsyncGenerator<RunnableStep> {
  const skip = new Set<RunnableStep>();
  while (skip.size < STEPS_MAX) {
    const leftMs = untilMs - clock.nowMs();
    if (leftMs <= 0) return;
    const step = runnable.best(node, skip, []);
    if (step === undefined) return;
    skip.add(step);
    const times = await survey.times(step);
    const p90Ms = times.count === 0 ? undefined : times.quantileMs(0.9);
    if (fitsBefore(p90Ms, spanTargetMs, leftMs)) yield step;
  }
}
