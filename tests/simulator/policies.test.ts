import { policyNames } from '@karst/orchestrator/simulator/policies/policy.ts';
import { simulate } from '@karst/orchestrator/simulator/simulate.ts';
import { filmTrace } from '@karst/orchestrator/simulator/traces/film.ts';
import type { Placement } from '@karst/shared/protocol/placement.ts';
import { filmFileSchema } from '@karst/shared/simulation/film-file.ts';
import { describe, expect, it } from 'vitest';
import { audit } from './support/auditor.ts';
import { cpuNodes, farmOf, gpuNodes, traceOf } from './support/world.ts';

const minuteMs = 60_000;

describe('policies', () => {
  it('karst shares by weight where first come, first served does not', () => {
    const farm = farmOf({
      nodes: [cpuNodes(5)],
      studios: [
        { name: 'early', weight: 1 },
        { name: 'late', weight: 3 },
      ],
    });
    const steps = [{ tasks: 2000, seconds: 600 }];
    const trace = traceOf([
      { studio: 'early', steps },
      { studio: 'late', arrivalMs: 10 * minuteMs, steps },
    ]);
    const { policies } = simulate(farm, trace, { seed: 1, policies: policyNames }).report;
    expect(policies.karst?.fairness.jain).toBeGreaterThan(0.99);
    expect(policies.fifo?.fairness.jain).toBeLessThan(0.6);
    expect(policies.fifo?.fairness.leastSatisfied).toBeLessThan(0.1);
    // Between the two of them, nothing else: until the first is done, 3 in 4 go to the heavier.
    expect(policies.karst?.studios.late?.satisfaction).toBeCloseTo(1, 1);
    expect(policies.karst?.studios.early?.satisfaction).toBeCloseTo(1, 1);
  });

  it.each(policyNames)('%s runs GPU tasks on GPU nodes only, and only where it may', (policy) => {
    const farm = farmOf({
      nodes: [
        cpuNodes(2),
        gpuNodes(2, { pool: 'gpu' }),
        cpuNodes(1, { name: 'own', pool: 'own' }),
        cpuNodes(1, { name: 'calm', pool: 'calm' }),
      ],
      pools: {
        gpu: { exclusive: true },
        own: { studios: ['aurora'] },
        calm: { classes: ['background'] },
      },
    });
    const demand = { cores: 4, gpus: 1 };
    const trace = traceOf([
      { steps: [{ tasks: 40, demand, placement: { pool: 'gpu' } }, { tasks: 80 }] },
      { studio: 'aurora', steps: [{ tasks: 80 }] },
      { priorityClass: 'background', steps: [{ tasks: 80 }] },
    ]);
    const { began } = audit(farm, trace, { policy });
    const groups = new Set(began.map(({ lease }) => lease.node.group.name));
    expect([...groups].sort()).toEqual(['calm', 'cpu', 'gpu', 'own']);
    for (const { lease } of began) {
      const { node, step } = lease;
      expect(node.group.name === 'gpu').toBe(step.shape.demand?.gpus === 1);
      if (node.group.name === 'own') expect(step.studio).toBe('aurora');
      if (node.group.name === 'calm') expect(step.priorityClass).toBe('background');
    }
  });

  it.each(policyNames)('%s keeps to caps of latency and price', (policy) => {
    const farm = farmOf({
      nodes: [
        cpuNodes(1, { name: 'near', latencyMs: { shanghai: 5 }, prices: { coreHour: 3 } }),
        cpuNodes(1, { name: 'cheap', prices: { coreHour: 0.5 } }),
      ],
    });
    const ranOn = (placement: Placement) => {
      const trace = traceOf([{ steps: [{ tasks: 40, placement }] }]);
      const { began } = audit(farm, trace, { policy });
      return [...new Set(began.map(({ lease }) => lease.node.group.name))];
    };
    expect(ranOn({}).sort()).toEqual(['cheap', 'near']);
    expect(ranOn({ maxLatencyMs: { shanghai: 5 } })).toEqual(['near']);
    expect(ranOn({ maxPrices: { coreHour: 1 } })).toEqual(['cheap']);
  });

  it('the others keep to their one order', () => {
    const farm = farmOf({ nodes: [cpuNodes(1, { slots: 1 })] });
    const trace = traceOf([
      { steps: [{ seconds: 500 }] },
      { arrivalMs: 1, priority: 10, steps: [{ seconds: 300 }] },
      { arrivalMs: 2, priority: 90, steps: [{ seconds: 400 }] },
      { arrivalMs: 3, priorityClass: 'urgent', priority: 0, steps: [{ seconds: 200 }] },
    ]);
    const order = (policy: 'fifo' | 'priority' | 'sjf') =>
      audit(farm, trace, { policy }).began.map(({ lease }) => Number(lease.step.jobId.slice(4)));
    expect(order('fifo')).toEqual([0, 1, 2, 3]);
    expect(order('priority')).toEqual([0, 3, 2, 1]);
    // The first one ran before there was a choice.
    expect(order('sjf')).toEqual([0, 3, 1, 2]);
  });

  it('sees the same failures and the same task times under every policy', () => {
    const farm = farmOf({
      tasks: { failurePercent: 5 },
      nodes: [cpuNodes(4, { mttfHours: 20 })],
    });
    const film = filmFileSchema.parse({
      days: 2,
      tasks: 800,
      layers: [{ name: 'beauty', medianMinutes: 10 }],
      shows: [{ studio: 'aurora', project: 'tide', sequences: 1, shotsPerSequence: 4 }],
    });
    const trace = filmTrace(film, 5);
    const { policies } = simulate(farm, trace, { seed: 5, policies: policyNames }).report;
    const retries = policyNames.map((name) => policies[name]?.retries);
    expect(new Set(retries).size).toBe(1);
    expect(retries[0]).toBeGreaterThan(10);
  });
});
