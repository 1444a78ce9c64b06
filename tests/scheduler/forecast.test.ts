import { lengthOf, type Queue, startIn } from '@karst/orchestrator/scheduler/forecast.ts';
import { bucketOf, TaskTimes } from '@karst/orchestrator/scheduler/task-times.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const queue = (given: Partial<Queue> = {}): Queue => ({
  slots: 4,
  share: 1,
  most: undefined,
  ownAhead: { tasks: 0, ms: 0 },
  classAhead: { tasks: 0, ms: 0 },
  runningMs: 1000,
  next: false,
  ...given,
});
const seconds = (n: number) => TaskTimes.of(Array.from({ length: 20 }, () => n * 1000));
const near = (found: number | undefined, wanted: number, part = 0.1) => {
  expect(found).toBeGreaterThan(wanted * (1 - part));
  expect(found).toBeLessThan(wanted * (1 + part));
};

describe('TaskTimes', () => {
  it('knows quantiles and the mean to a tenth, at any scale', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1, max: 1e8, noNaN: true }), { minLength: 1, maxLength: 50 }),
        (timesMs) => {
          const times = TaskTimes.of(timesMs);
          const sorted = timesMs.toSorted((a, b) => a - b);
          for (const q of [0.5, 0.9, 1]) {
            const exact = sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
            near(times.quantileMs(q), exact);
          }
          near(times.meanMs, timesMs.reduce((sum, ms) => sum + ms, 0) / timesMs.length);
          expect(times.count).toBe(timesMs.length);
        },
      ),
    );
  });

  it('has few buckets: 120 reach from a millisecond to eleven days', () => {
    expect(bucketOf(0)).toBe(0);
    expect(bucketOf(1e9)).toBeLessThan(120);
  });
});

describe('the length of a step', () => {
  it('is a task’s median and 90 % quantile when one is left', () => {
    const times = TaskTimes.of([...Array<number>(8).fill(1000), 4000, 4000]);
    const length = lengthOf({ waiting: 1, running: 0, times }, queue());
    near(length?.p50, 1000);
    near(length?.p90, 4000);
  });

  it('is the work over the slots in hand when many are left', () => {
    const work = { waiting: 400, running: 0, times: seconds(10) };
    near(lengthOf(work, queue())?.p50, 1_000_000);
    near(lengthOf(work, queue({ share: 0.5 }))?.p50, 2_000_000);
    near(lengthOf(work, queue({ most: 1 }))?.p50, 4_000_000);
  });

  it('is unknown before anything was measured', () => {
    expect(lengthOf({ waiting: 1, running: 0, times: new TaskTimes([]) }, queue())).toBeUndefined();
  });

  it('never has a p90 before its p50, nor gets shorter with more to do or fewer slots', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 1e7 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 1, max: 64 }),
        (timesMs, waiting, slots) => {
          const times = TaskTimes.of(timesMs);
          const length = (tasks: number, n: number) => {
            const found = lengthOf({ waiting: tasks, running: 0, times }, queue({ slots: n }));
            if (found === undefined) throw new Error('measured, and no length');
            return found;
          };
          const { p50, p90 } = length(waiting, slots);
          expect(p90).toBeGreaterThanOrEqual(p50);
          expect(p50).toBeGreaterThan(0);
          expect(length(2 * waiting + slots, slots).p50).toBeGreaterThanOrEqual(p50);
        },
      ),
    );
  });
});

describe('the start of a step', () => {
  it('is now when it is next', () => {
    expect(startIn(queue({ next: true, runningMs: undefined }))).toEqual({ p50: 0, p90: 0 });
  });

  it('is when the first of the busy slots comes free, sooner the more there are', () => {
    const one = startIn(queue({ slots: 1 }));
    expect(one).toEqual({ p50: 500, p90: 900 });
    const four = startIn(queue());
    expect(four?.p50).toBeLessThan(200);
    // Every other slot that comes free is another studio's.
    expect(startIn(queue({ share: 0.5 }))?.p50).toBeCloseTo(2 * (four?.p50 ?? 0));
  });

  it('is after the work ahead', () => {
    const start = startIn(queue({ ownAhead: { tasks: 40, ms: 400_000 } }));
    near(start?.p50, 100_000);
    expect(start?.p90).toBeGreaterThan(start?.p50 ?? 0);
  });

  it('is unknown where what goes first was never measured', () => {
    expect(startIn(queue({ ownAhead: undefined }))).toBeUndefined();
    expect(startIn(queue({ runningMs: undefined }))).toBeUndefined();
  });
});
