import { sleep } from '@karst/shared/clock.ts';
import type { Random } from '@karst/shared/random.ts';

export interface RetryPlan {
  /** Tries in all, the first included. */
  triesMax: number;
  firstDelayMs: number;
  delayMsMax: number;
}

/** For calls a person waits for: gives up after about a second, so that a wrong URL is told at once. */
export const quickRetry: RetryPlan = { triesMax: 3, firstDelayMs: 200, delayMsMax: 1000 };
/** For work that has cost something already (uploads, the submission): about half a minute. */
export const patientRetry: RetryPlan = { triesMax: 8, firstDelayMs: 250, delayMsMax: 8000 };

/** Doubles with every try, jittered to between half and the whole. `failures` counts from 1. */
export function backoffMs(plan: Omit<RetryPlan, 'triesMax'>, failures: number, random: Random) {
  const whole = Math.min(plan.delayMsMax, plan.firstDelayMs * 2 ** (failures - 1));
  return whole * (0.5 + random.unit() / 2);
}

/** Repeats `work` while `mayRetry` says its failure can pass, as the plan allows. */
export async function withRetries<T>(
  work: () => Promise<T>,
  options: {
    plan: RetryPlan;
    random: Random;
    mayRetry: (error: unknown) => boolean;
    signal?: AbortSignal | undefined;
  },
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await work();
    } catch (error) {
      if (failures >= options.plan.triesMax || !options.mayRetry(error)) throw error;
      await sleep(backoffMs(options.plan, failures, options.random), options.signal);
    }
  }
}
