import { chunkSize } from '@karst/orchestrator/domain/chunk-size.ts';
import { failureClass } from '@karst/orchestrator/domain/failure-class.ts';
import { retryDelayMs } from '@karst/orchestrator/domain/retry-delay.ts';
import { spanSize } from '@karst/orchestrator/domain/span-size.ts';
import { compareSteps, type RankedStep } from '@karst/orchestrator/scheduler/rank.ts';
import { newJobId } from '@karst/shared/protocol/ids.ts';
import { failureKindSchema } from '@karst/shared/protocol/task.ts';
import { systemRandom } from '@karst/shared/random.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

describe('whose fault a failure is', () => {
  it.each([
    ['exit', 'task'],
    ['signal', 'task'],
    ['timeout', 'task'],
    ['silent', 'task'],
    ['reported', 'task'],
    ['command', 'task'],
    ['outputs', 'task'],
    ['disk_full', 'node'],
    ['out_of_memory', 'node'],
    ['node', 'node'],
    ['inputs', 'farm'],
    ['storage', 'farm'],
  ] as const)('%s is the fault of the %s', (kind, whose) => {
    expect(failureClass(kind)).toBe(whose);
  });

  it('is decided for every kind the protocol has', () => {
    for (const kind of failureKindSchema.options) {
      expect(['task', 'node', 'farm']).toContain(failureClass(kind));
    }
  });
});

describe('the delay before a retry', () => {
  it('doubles from one second and stops at a minute', () => {
    expect([1, 2, 3, 6, 7, 8, 100].map((n) => retryDelayMs(n))).toEqual([
      1000, 2000, 4000, 32_000, 60_000, 60_000, 60_000,
    ]);
  });
});

describe('the size of a chunk that adapts', () => {
  const facts = {
    defaultTaskCount: 4,
    targetRuntimeSeconds: 60,
    measuredTasks: 0,
    measuredMs: 0,
    remaining: 1e6,
    slots: 8,
  };

  it.each([
    ['what the template says until a run time is known', {}, 4],
    ['moved a quarter of the way by the first few', { measuredTasks: 4, measuredMs: 4000 }, 18],
    ['as many as take the target time', { measuredTasks: 40, measuredMs: 40_000 }, 60],
    [
      'fewer than the template says where each is slow',
      { measuredTasks: 40, measuredMs: 1.2e6 },
      2,
    ],
    ['at least one', { measuredTasks: 40, measuredMs: 1e9 }, 1],
    ['at most what a span may hold', { measuredTasks: 40, measuredMs: 0 }, 500],
    ["a slot's share at the end", { measuredTasks: 40, measuredMs: 40_000, remaining: 80 }, 10],
    ['no less than the template says', { measuredTasks: 40, measuredMs: 40_000, remaining: 8 }, 4],
    ['all that is left, without slots', { measuredTasks: 40, measuredMs: 1000, slots: 0 }, 500],
  ])('is %s', (_title, change, wanted) => {
    expect(chunkSize({ ...facts, ...change }, 500)).toBe(wanted);
  });
});

describe('the size of a span', () => {
  const limits = { targetMs: 30_000, tasksMax: 500 };

  it('is one task until a run time is known: a frame may take hours', () => {
    expect(spanSize({ remaining: 1e6, slots: 8, meanTaskMs: undefined }, limits)).toBe(1);
  });

  it('is one task for frames that take minutes', () => {
    expect(spanSize({ remaining: 1e6, slots: 8, meanTaskMs: 120_000 }, limits)).toBe(1);
  });

  it('takes hundreds of millisecond tasks', () => {
    expect(spanSize({ remaining: 1e6, slots: 8, meanTaskMs: 5 }, limits)).toBe(500);
  });

  it('shrinks to one task at the tail', () => {
    const sizes: number[] = [];
    for (let remaining = 1000; remaining > 0; ) {
      const size = spanSize({ remaining, slots: 8, meanTaskMs: 1 }, limits);
      sizes.push(size);
      remaining -= size;
    }
    expect(sizes.at(-1)).toBe(1);
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(1000);
  });

  it('always lies between one and every bound', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 0, max: 5000 }),
        fc.double({ min: 0, max: 1e8, noNaN: true }),
        (remaining, slots, meanTaskMs) => {
          const size = spanSize({ remaining, slots, meanTaskMs }, limits);
          expect(size).toBeGreaterThanOrEqual(1);
          expect(size).toBeLessThanOrEqual(Math.min(remaining, limits.tasksMax));
          if (size > 1) expect(size * meanTaskMs).toBeLessThanOrEqual(limits.targetMs);
        },
      ),
    );
  });
});

describe('who goes first', () => {
  const ids = Array.from({ length: 6 }, () => newJobId(systemRandom));
  const step = fc.record({
    jobId: fc.constantFrom(...ids),
    step: fc.integer({ min: 0, max: 3 }),
    priority: fc.integer({ min: 0, max: 100 }),
    createdAtMs: fc.integer({ min: 0, max: 3 }),
  });

  it('is the higher priority, then the older job, then the earlier step', () => {
    const [jobId, other] = ids;
    if (jobId === undefined || other === undefined) throw new Error('no ids');
    const base: RankedStep = { jobId, step: 0, priority: 50, createdAtMs: 5 };
    expect(compareSteps({ ...base, priority: 51 }, base)).toBeLessThan(0);
    expect(compareSteps({ ...base, jobId: other, createdAtMs: 4 }, base)).toBeLessThan(0);
    expect(compareSteps({ ...base, step: 1 }, base)).toBeGreaterThan(0);
    expect(compareSteps({ ...base, step: 1, priority: 51 }, base)).toBeLessThan(0);
  });

  it('is a total order', () => {
    fc.assert(
      fc.property(step, step, step, (a, b, c) => {
        expect(Math.sign(compareSteps(a, b))).toBe(-Math.sign(compareSteps(b, a)) + 0);
        if (compareSteps(a, b) <= 0 && compareSteps(b, c) <= 0) {
          expect(compareSteps(a, c)).toBeLessThanOrEqual(0);
        }
      }),
    );
  });
});
