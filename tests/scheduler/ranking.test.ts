import { compareAccounts, compareSteps } from '@karst/orchestrator/scheduler/rank.ts';
import {
  priorityClasses,
  Ranking,
  type WaitingStep,
} from '@karst/orchestrator/scheduler/ranking.ts';
import { shapeOf } from '@karst/orchestrator/scheduler/shape.ts';
import { Shares } from '@karst/orchestrator/scheduler/shares.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stepOf } from './steps.ts';

const shapes = [0, 1, 2].map((gpus) =>
  shapeOf({ amounts: [{ name: 'amount.worker.gpu', min: gpus }], attributes: [] }),
);
const stepArbitrary = fc
  .record({
    studio: fc.constantFrom('a', 'b', 'c'),
    project: fc.constantFrom('p', 'q'),
    shape: fc.constantFrom(...shapes),
    priorityClass: fc.constantFrom(...priorityClasses),
    priority: fc.integer({ min: 0, max: 3 }),
    createdAtMs: fc.integer({ min: 0, max: 5 }),
    gates: fc.subarray(['g', 'h']),
  })
  .map((given) => given);

const commandArbitrary = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), at: fc.nat(9) }),
  fc.record({ kind: fc.constant('remove' as const), at: fc.nat(9) }),
  fc.record({ kind: fc.constant('reprioritise' as const), at: fc.nat(9), to: fc.nat(3) }),
  fc.record({
    kind: fc.constant('charge' as const),
    studio: fc.constantFrom('a', 'b', 'c'),
    project: fc.constantFrom('p', 'q'),
    cost: fc.integer({ min: -20, max: 100 }),
  }),
  fc.record({
    kind: fc.constantFrom('close' as const, 'open' as const),
    gate: fc.constantFrom('g', 'h'),
  }),
);

/** The choice by looking at every step: what the heaps must agree with. */
function bestByLooking(
  ranking: Ranking<WaitingStep>,
  steps: Iterable<WaitingStep>,
  closed: ReadonlySet<string>,
  feasible: (step: WaitingStep) => boolean,
): WaitingStep | undefined {
  return [...steps]
    .filter((step) => feasible(step) && !step.gates.some((gate) => closed.has(gate)))
    .sort(
      (a, b) =>
        priorityClasses.indexOf(a.priorityClass) - priorityClasses.indexOf(b.priorityClass) ||
        compareAccounts(ranking.studioAccount(a), ranking.studioAccount(b)) ||
        compareAccounts(ranking.projectAccount(a), ranking.projectAccount(b)) ||
        compareSteps(a, b),
    )[0];
}

describe('Ranking', () => {
  it('chooses what looking at every step would, after any changes', () => {
    fc.assert(
      fc.property(
        fc.array(stepArbitrary, { minLength: 10, maxLength: 10 }),
        fc.array(commandArbitrary, { maxLength: 60 }),
        fc.subarray(shapes, { minLength: 1 }),
        (given, commands, suited) => {
          const steps = given.map((each, n) => stepOf(n, each));
          const shares = new Shares(1000, 0);
          const ranking = new Ranking<WaitingStep>(shares);
          const present = new Set<WaitingStep>();
          const closed = new Set<string>();
          let nowMs = 0;
          for (const command of commands) {
            nowMs += 100;
            if (command.kind === 'close') ranking.close(command.gate);
            if (command.kind === 'close') closed.add(command.gate);
            if (command.kind === 'open') ranking.open(command.gate);
            if (command.kind === 'open') closed.delete(command.gate);
            if (command.kind === 'charge') {
              for (const account of [
                ranking.studioAccount(command),
                ranking.projectAccount(command),
              ]) {
                shares.charge(account, command.cost, nowMs);
              }
              ranking.reorder(command.studio, command.project);
            }
            if ('at' in command) {
              const step = steps[command.at];
              if (step === undefined) continue;
              if (command.kind === 'add') {
                ranking.add(step);
                present.add(step);
              } else if (command.kind === 'remove') {
                ranking.remove(step);
                present.delete(step);
              } else ranking.update(step, { priority: command.to });
            }
            const feasible = (shape: WaitingStep['shape']) => suited.includes(shape);
            expect(ranking.best({ feasible })).toBe(
              bestByLooking(ranking, present, closed, (step) => feasible(step.shape)),
            );
            const onlyB = bestByLooking(
              ranking,
              present,
              closed,
              (step) => feasible(step.shape) && step.studio === 'b',
            );
            expect(ranking.best({ feasible, studios: ['b'] })).toBe(onlyB);
            expect(new Set(ranking.steps())).toEqual(present);
          }
        },
      ),
    );
  });

  it('leaves out what is skipped, and forgets nothing by it', () => {
    const ranking = new Ranking<WaitingStep>(new Shares(1000, 0));
    const [first, second] = [stepOf(1), stepOf(2)];
    ranking.add(first);
    ranking.add(second);
    const feasible = () => true;
    expect(ranking.best({ feasible, skip: [first] })).toBe(second);
    expect(ranking.best({ feasible, skip: [first, second] })).toBeUndefined();
    expect(ranking.best({ feasible })).toBe(first);
  });

  it('takes what is preferred only where it is as good', () => {
    const ranking = new Ranking<WaitingStep>(new Shares(1000, 0));
    const [first, same, lower] = [stepOf(1), stepOf(2), stepOf(3, { priority: 10 })];
    for (const step of [first, same, lower]) ranking.add(step);
    const feasible = () => true;
    expect(ranking.best({ feasible, prefer: [same] })).toBe(same);
    expect(ranking.best({ feasible, prefer: [lower] })).toBe(first);
    expect(ranking.best({ feasible, prefer: [lower, same, first] })).toBe(same);
    expect(ranking.best({ feasible, prefer: [same], skip: [same] })).toBe(first);
  });
});
