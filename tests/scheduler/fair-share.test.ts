import type { WaitingStep } from '@karst/orchestrator/scheduler/ranking.ts';
import type { Charge } from '@karst/orchestrator/scheduler/scheduler.ts';
import { NodeView, Scheduler } from '@karst/orchestrator/scheduler/scheduler.ts';
import { Shares } from '@karst/orchestrator/scheduler/shares.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { capabilitiesOf } from './nodes.ts';
import { stepOf } from './steps.ts';

const hourMs = 3_600_000;

interface Lease {
  step: WaitingStep;
  charge: Charge;
  startMs: number;
  endMs: number;
}

/** A farm of `slots` whose every step has work without end, run for `forMs`; seconds by studio. */
function run(
  scheduler: Scheduler<WaitingStep>,
  slots: number,
  fromMs: number,
  forMs: number,
  taskMs: (step: WaitingStep) => number,
): Map<string, number> {
  const node = new NodeView(capabilitiesOf({}), []);
  const leases: Lease[] = [];
  const used = new Map<string, number>();
  let nowMs = fromMs;
  while (nowMs < fromMs + forMs) {
    while (leases.length < slots) {
      const step = scheduler.choose(node);
      if (step === undefined) return used;
      const charge = scheduler.begun(step, 1, taskMs(step), nowMs);
      leases.push({ step, charge, startMs: nowMs, endMs: nowMs + taskMs(step) });
    }
    leases.sort((a, b) => a.endMs - b.endMs);
    const [lease] = leases.splice(0, 1);
    if (lease === undefined) return used;
    nowMs = lease.endMs;
    scheduler.ended(lease.step, lease.charge, lease.endMs - lease.startMs, nowMs);
    const { studio } = lease.step;
    used.set(studio, (used.get(studio) ?? 0) + lease.endMs - lease.startMs);
  }
  return used;
}

const total = (used: Map<string, number>) => [...used.values()].reduce((a, b) => a + b, 0);

describe('fair share', () => {
  it('converges to the weights, within 5 %', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 6 }),
        fc.array(fc.integer({ min: 5_000, max: 120_000 }), { minLength: 6, maxLength: 6 }),
        (weights, taskMs) => {
          const scheduler = new Scheduler<WaitingStep>(new Shares(24 * hourMs, 0));
          for (const [i, weight] of weights.entries()) {
            scheduler.shares.set(`s${i}`, { weight });
            scheduler.ranking.add(stepOf(i, { studio: `s${i}` }));
          }
          const used = run(scheduler, 40, 0, 20 * hourMs, (step) => {
            return taskMs[Number(step.studio.slice(1))] ?? 10_000;
          });
          const sum = weights.reduce((a, b) => a + b, 0);
          for (const [i, weight] of weights.entries()) {
            const share = (used.get(`s${i}`) ?? 0) / total(used);
            expect(Math.abs(share / (weight / sum) - 1)).toBeLessThan(0.05);
          }
        },
      ),
      { numRuns: 8 },
    );
  });

  it('starves nobody: every studio with work gets some, whatever the weights', () => {
    const scheduler = new Scheduler<WaitingStep>(new Shares(24 * hourMs, 0));
    for (let i = 0; i < 50; i++) {
      scheduler.shares.set(`s${i}`, { weight: i === 0 ? 1000 : 1 });
      scheduler.ranking.add(stepOf(i, { studio: `s${i}` }));
    }
    const used = run(scheduler, 4, 0, 20 * hourMs, () => 60_000);
    expect(used.size).toBe(50);
  });

  it('lets an idle studio hoard nothing, and a new one start level', () => {
    const scheduler = new Scheduler<WaitingStep>(new Shares(24 * hourMs, 0));
    scheduler.ranking.add(stepOf(1, { studio: 'old' }));
    run(scheduler, 10, 0, 100 * hourMs, () => 60_000);
    scheduler.ranking.add(stepOf(2, { studio: 'new' }));
    const used = run(scheduler, 10, 100 * hourMs, 10 * hourMs, () => 60_000);
    const share = (used.get('new') ?? 0) / total(used);
    expect(share).toBeGreaterThan(0.45);
    expect(share).toBeLessThan(0.55);
  });

  it('halves what counts of past usage with each half-life', () => {
    const shares = new Shares(hourMs, 0);
    const account = shares.account('pixels');
    shares.charge(account, 800, 0);
    expect(shares.usageAt(account, 3 * hourMs)).toBeCloseTo(100);
    // Long after doubles would have overflown, had nothing been scaled back.
    shares.charge(account, 100, 5000 * hourMs);
    expect(shares.usageAt(account, 5000 * hourMs)).toBeCloseTo(100);
    expect(shares.usageAt(account, 5001 * hourMs)).toBeCloseTo(50);
  });

  it('gives a studio below its guarantee the next lease', () => {
    const scheduler = new Scheduler<WaitingStep>(new Shares(24 * hourMs, 0));
    const [owed, other] = [stepOf(1, { studio: 'owed' }), stepOf(2, { studio: 'other' })];
    scheduler.shares.set('owed', { guaranteed: 2 });
    scheduler.ranking.add(owed);
    scheduler.ranking.add(other);
    const node = new NodeView(capabilitiesOf({}), []);
    const chosen = Array.from({ length: 4 }, () => {
      const step = scheduler.choose(node) ?? owed;
      scheduler.begun(step, 1, step === owed ? 1_000_000 : 1000, 0);
      return step.studio;
    });
    expect(chosen).toEqual(['owed', 'owed', 'other', 'other']);
  });
});
