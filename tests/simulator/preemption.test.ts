import type { PolicyName } from '@karst/orchestrator/simulator/policies/policy.ts';
import { describe, expect, it } from 'vitest';
import { audit } from './support/auditor.ts';
import { cpuNodes, farmOf, traceOf } from './support/world.ts';

const minuteMs = 60_000;
const whole = { cores: 16 };

/** One machine; `wide` takes all of it for an hour, and `rush` a minute of it. */
const oneNode = (preempt: Record<string, unknown> = {}, given: Record<string, unknown> = {}) =>
  farmOf({
    tasks: { maxRetriesPerTask: 0 },
    nodes: [cpuNodes(1)],
    ...given,
    preempt: { on: true, ...preempt },
  });
const wide = { steps: [{ seconds: 3600, demand: whole }] };
const rush = {
  priorityClass: 'urgent' as const,
  arrivalMs: 20 * minuteMs,
  steps: [{ seconds: 60, demand: whole }],
};

/** `[job, began after so many minutes]` of every lease. */
const begun = ({ began }: ReturnType<typeof audit>) =>
  began.map(({ lease, atMs }) => [Number(lease.step.jobId.slice(4)), atMs / minuteMs]);

describe('a simulated step of a higher class', () => {
  it('ends what runs once it has waited long enough; that runs again, and is charged nothing', () => {
    const audited = audit(oneNode(), traceOf([wide, rush]));
    expect(begun(audited)).toEqual([
      [0, 0],
      [1, 20 + 10 / 60],
      [0, 21 + 10 / 60],
    ]);
    expect(audited.preempted).toHaveLength(1);
    expect([...audited.ends.values()]).toEqual(['succeeded', 'succeeded']);
    expect(audited.retried).toEqual([]);
  });

  it('ends nothing where the farm has it switched off, before its time, or under another policy', () => {
    const waits = [
      [0, 0],
      [1, 60],
    ];
    expect(begun(audit(oneNode({ on: false }), traceOf([wide, rush])))).toEqual(waits);
    const patient = oneNode({ afterSeconds: 3000 });
    expect(begun(audit(patient, traceOf([wide, rush])))).toEqual(waits);
    for (const policy of ['fifo', 'priority', 'sjf'] satisfies PolicyName[]) {
      const audited = audit(oneNode(), traceOf([wide, rush]), { policy });
      expect(audited.preempted).toEqual([]);
    }
  });

  it('leaves a lease alone that has not run for as long as the farm says', () => {
    const audited = audit(oneNode({ minRunSeconds: 1800 }), traceOf([wide, rush]));
    const [, [job, atMinutes = 0] = []] = begun(audited);
    expect(job).toBe(1);
    // Looked at again every half minute by then.
    expect(atMinutes).toBeGreaterThanOrEqual(30);
    expect(atMinutes).toBeLessThan(31);
  });

  it('ends the work that is least to lose, and no more of it than it needs', () => {
    const old = { steps: [{ seconds: 7200, demand: { cores: 8 } }] };
    const young = { arrivalMs: 15 * minuteMs, steps: [{ seconds: 7200, demand: { cores: 8 } }] };
    const small = { ...rush, steps: [{ seconds: 60, demand: { cores: 4 } }] };
    const audited = audit(oneNode(), traceOf([old, young, small]));
    expect(audited.preempted.map((name) => name.split('/')[0])).toEqual([
      'job-00000000000000000001',
    ]);
    expect(audited.ends.size).toBe(3);
  });

  it('ends nothing while its studio is at its ceiling', () => {
    const farm = oneNode({}, { studios: [{ name: 'rushers', maxTasks: 1 }] });
    const mine = { ...rush, studio: 'rushers', priorityClass: 'normal' as const, arrivalMs: 0 };
    const holding = { ...mine, steps: [{ seconds: 3600, demand: { cores: 8 } }] };
    const others = { steps: [{ seconds: 3600, demand: { cores: 8 } }] };
    const waiting = { ...mine, priorityClass: 'urgent' as const, arrivalMs: minuteMs };
    const next = { ...waiting, steps: [{ seconds: 60, demand: { cores: 8 } }] };
    expect(audit(farm, traceOf([holding, others, next])).preempted).toEqual([]);
  });
});

it('a simulated studio below its guarantee gets it from those above theirs', () => {
  const farm = farmOf({
    preempt: { on: true },
    nodes: [cpuNodes(1)],
    studios: [{ name: 'owed', guaranteedTasks: 1 }, { name: 'rich' }],
  });
  const rich = { studio: 'rich', steps: [{ tasks: 4, seconds: 3600, demand: { cores: 4 } }] };
  const owed = {
    studio: 'owed',
    arrivalMs: 20 * minuteMs,
    steps: [{ tasks: 3, seconds: 3600, demand: { cores: 4 } }],
  };
  const audited = audit(farm, traceOf([rich, owed]));
  const soon = begun(audited).filter(([job, atMinutes = 0]) => job === 1 && atMinutes < 60);
  expect(soon).toEqual([[1, 20 + 10 / 60]]);
  expect(audited.preempted).toHaveLength(1);
});
