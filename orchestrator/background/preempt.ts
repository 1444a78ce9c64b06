import { type DecideParts, decide } from '../preemption/decide.ts';
import { type SettleParts, settlePreempts } from '../preemption/settle.ts';
import type { Pass } from './pass.ts';

/**
 * Makes room for steps that go before what runs, and sees to it that marks end. Nudged when a step has
 * waited long enough; the period is for steps and marks that no nudge tells of.
 */
export function preemptPass(
  parts: DecideParts & SettleParts & { isOn: boolean; periodMs: number },
): Pass {
  return {
    name: 'preempt',
    periodMs: parts.periodMs,
    async runOnce() {
      // Also when it was switched off: marks of another replica, or of before, must end.
      await settlePreempts(parts);
      if (parts.isOn) await decide(parts);
    },
  };
}
