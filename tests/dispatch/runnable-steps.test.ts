import { type RunnableStep, RunnableSteps } from '@karst/orchestrator/dispatch/runnable-steps.ts';
import { compareSteps } from '@karst/orchestrator/scheduler/rank.ts';
import { newJobId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import fc from 'fast-check';
import { expect, it } from 'vitest';

const ids = Array.from({ length: 8 }, () => newJobId(systemRandom));
const runnable: fc.Arbitrary<RunnableStep> = fc.record({
  jobId: fc.constantFrom(...ids),
  step: fc.integer({ min: 0, max: 2 }),
  studio: fc.constant('default'),
  priority: fc.integer({ min: 0, max: 3 }),
  createdAtMs: fc.integer({ min: 0, max: 3 }),
  buffered: fc.constant(0),
  allFed: fc.constant(false),
  wakes: fc.constant(0),
  feeding: fc.constant(undefined),
});

it('always offers the best step not skipped, however steps come, change and go', () => {
  const command = fc.record({ add: fc.boolean(), step: runnable });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const steps = new RunnableSteps();
      const model = new Map<string, RunnableStep>();
      for (const { add, step } of commands) {
        if (add) {
          steps.add(step);
          model.set(`${step.jobId}/${step.step}`, step);
        } else {
          steps.remove(step);
          model.delete(`${step.jobId}/${step.step}`);
        }
        const ranked = [...model.values()].sort(compareSteps);
        expect(steps.size).toBe(ranked.length);
        expect(steps.best(new Set())).toBe(ranked[0]);
        const [first] = ranked;
        if (first !== undefined) expect(steps.best(new Set([first]))).toBe(ranked[1]);
      }
    }),
  );
});
