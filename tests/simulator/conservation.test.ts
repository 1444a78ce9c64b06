import { policyNames } from '@karst/orchestrator/simulator/policies/policy.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { audit } from './support/auditor.ts';
import { cpuNodes, farmOf, gpuNodes, traceOf } from './support/world.ts';

const farm = farmOf({
  tasks: { failurePercent: 10, maxRetriesPerTask: 2 },
  preempt: { on: true },
  nodes: [
    cpuNodes(3, { mttfHours: 5, repairMinutes: 20 }),
    gpuNodes(2, { mttfHours: 3, joinsAtHours: 1 }),
    cpuNodes(1, { name: 'rented', joinsAtHours: 2, leavesAtHours: 5 }),
  ],
  studios: [
    { name: 'aurora', weight: 3, maxTasks: 7, maxNodes: 3 },
    { name: 'borealis', maxGpus: 3, guaranteedTasks: 2 },
    { name: 'cirrus', projects: [{ name: 'moth', weight: 2, maxTasks: 2 }] },
  ],
  limits: { houdini: { max: 4, reserve: 1 }, nuke: { max: 2, per: 'host' } },
});

const stepArbitrary = fc.record({
  tasks: fc.integer({ min: 1, max: 60 }),
  seconds: fc.constantFrom(1, 20, 600, 3000),
  demand: fc.record({
    cores: fc.integer({ min: 1, max: 9 }),
    memoryMib: fc.integer({ min: 0, max: 40_000 }),
    gpus: fc.constantFrom(0, 0, 1, 2),
  }),
  limits: fc.subarray(['houdini', 'nuke']),
});
const jobArbitrary = fc
  .record({
    studio: fc.constantFrom('aurora', 'borealis', 'cirrus'),
    project: fc.constantFrom('moth', 'tide'),
    arrivalMs: fc.integer({ min: 0, max: 6 * 3_600_000 }),
    priorityClass: fc.constantFrom('urgent' as const, 'normal' as const, 'background' as const),
    priority: fc.integer({ min: 0, max: 100 }),
    steps: fc.array(stepArbitrary, { minLength: 1, maxLength: 3 }),
    isChain: fc.boolean(),
  })
  .map(({ steps, isChain, ...job }) => ({
    ...job,
    steps: steps.map((step, at) => ({ ...step, dependsOn: isChain && at > 0 ? [at - 1] : [] })),
  }));

describe('the simulated farm', () => {
  it.each(policyNames)(
    '%s: ends every task once and overdraws nothing, whatever fails',
    (policy) => {
      let [losses, retries, checks, preemptions] = [0, 0, 0, 0];
      fc.assert(
        fc.property(
          fc.array(jobArbitrary, { minLength: 1, maxLength: 12 }),
          fc.nat(),
          (jobs, seed) => {
            const trace = traceOf(jobs);
            const audited = audit(farm, trace, { policy, seed });
            const tasks = trace.jobs
              .flatMap(({ steps }) => steps)
              .reduce((sum, s) => sum + s.tasks, 0);
            expect(audited.ends.size).toBe(tasks);
            expect(audited.jobEnds.length).toBe(jobs.length);
            losses += audited.lost.length;
            retries += audited.retried.length;
            checks += audited.ticks;
            preemptions += audited.preempted.length;
          },
        ),
        { numRuns: 25, seed: 9 },
      );
      // The property says nothing if nothing ever went wrong.
      expect(Math.min(losses, retries, checks)).toBeGreaterThan(20);
      expect(preemptions > 20).toBe(policy === 'karst');
    },
  );

  it('leaves alone what no node or ceiling will ever let run, and ends', () => {
    const trace = traceOf([
      { steps: [{ demand: { gpus: 8 } }, { dependsOn: [0], tasks: 5 }] },
      { studio: 'borealis', steps: [{ demand: { gpus: 1 } }] },
      { steps: [{ placement: { pool: 'none' } }] },
    ]);
    expect(audit(farm, trace).ends.size).toBe(1);
    const capped = farmOf({
      nodes: [gpuNodes(1)],
      studios: [{ name: 'pixels', maxGpus: 1 }],
    });
    const jobs = [{ steps: [{ demand: { gpus: 2 } }] }, { steps: [{ demand: { gpus: 1 } }] }];
    expect(audit(capped, traceOf(jobs)).ends.size).toBe(1);
  });

  it('strands what waits when the last node that suits has left', () => {
    const leaving = farmOf({
      nodes: [gpuNodes(1, { leavesAtHours: 1 }), cpuNodes(1, { mttfHours: 1 })],
    });
    const steps = [{ tasks: 100, seconds: 600, demand: { gpus: 1 } }];
    const audited = audit(leaving, traceOf([{ steps }, { steps: [{ tasks: 20 }] }]));
    // Twelve on two GPUs in an hour, and the twenty that need none.
    expect(audited.ends.size).toBe(32);
  });
});
