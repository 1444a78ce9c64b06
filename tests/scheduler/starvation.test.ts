import type { WaitingStep } from '@karst/orchestrator/scheduler/ranking.ts';
import { NodeView, Scheduler } from '@karst/orchestrator/scheduler/scheduler.ts';
import { shapeOf } from '@karst/orchestrator/scheduler/shape.ts';
import { Shares } from '@karst/orchestrator/scheduler/shares.ts';
import type { Resources } from '@karst/shared/protocol/lease.ts';
import { expect, it } from 'vitest';
import { capabilitiesOf } from './nodes.ts';
import { stepOf } from './steps.ts';

const cores = (min: number) =>
  shapeOf({ amounts: [{ name: 'amount.worker.vcpu', min }], attributes: [] });

interface Lease {
  step: WaitingStep;
  node: number;
  resources: Resources;
  endMs: number;
}

/** Two nodes of 8 cores, small tasks without end that leave gaps, and one task of a whole node. */
function firstStartOfLarge(knowsTime: boolean): number | undefined {
  const scheduler = new Scheduler<WaitingStep>(new Shares(86_400_000, 0));
  const small = stepOf(1, { studio: 'small', shape: cores(1), servedAtMs: 0 });
  const large = stepOf(2, { studio: 'large', shape: cores(8), servedAtMs: 0 });
  scheduler.ranking.add(small);
  const leases: Lease[] = [];
  const names = ['n0', 'n1'];
  const views = () =>
    names.map((name, node) => {
      const held = leases.filter((lease) => lease.node === node);
      const resources = held.map((lease) => lease.resources);
      return new NodeView(capabilitiesOf({ name, vcpus: 8 }), resources);
    });
  for (let nowMs = 0; nowMs < 3_600_000; nowMs += 10_000) {
    if (nowMs === 60_000) scheduler.ranking.add(large);
    for (const lease of leases.filter(({ endMs }) => endMs <= nowMs)) {
      leases.splice(leases.indexOf(lease), 1);
    }
    for (const [node, view] of views().entries()) {
      for (;;) {
        const step = scheduler.choose(view, [], undefined, knowsTime ? nowMs : undefined);
        const resources = step === undefined ? undefined : view.free.take(step.shape);
        if (step === undefined || resources === undefined) break;
        if (step === large) return nowMs;
        scheduler.begun(step, 1, 60_000, nowMs);
        // Staggered, so that a node is never empty by itself.
        leases.push({
          step,
          node,
          resources,
          endMs: nowMs + 60_000 + 10_000 * (leases.length % 7),
        });
      }
    }
  }
  return undefined;
}

it('keeps a node free for a task that small ones would starve for ever', () => {
  expect(firstStartOfLarge(false)).toBeUndefined();
  expect(firstStartOfLarge(true)).toBeLessThan(12 * 60_000);
});

it('keeps one node for it, not all', () => {
  const scheduler = new Scheduler<WaitingStep>(new Shares(86_400_000, 0));
  scheduler.ranking.add(stepOf(1, { studio: 'small', shape: cores(1), servedAtMs: 0 }));
  scheduler.ranking.add(stepOf(2, { studio: 'large', shape: cores(8), servedAtMs: 0 }));
  scheduler.account({ studio: 'small', project: 'film' }, 100, 0, 0);
  const busy: Resources = { vcpus: 1, memoryMib: 0, scratchGib: 0, gpus: [] };
  const chosen = ['n0', 'n1', 'n2'].map((name) => {
    const view = new NodeView(capabilitiesOf({ name, vcpus: 8 }), [busy]);
    return scheduler.choose(view, [], undefined, 3_600_000)?.studio;
  });
  expect(chosen).toEqual([undefined, 'small', 'small']);
});
