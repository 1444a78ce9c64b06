import { explainStep } from '@karst/orchestrator/scheduler/explain.ts';
import { mismatches } from '@karst/orchestrator/scheduler/match.ts';
import { capabilitiesFrom } from '@karst/orchestrator/scheduler/node-capabilities.ts';
import { Scheduler } from '@karst/orchestrator/scheduler/scheduler.ts';
import { shapeOf } from '@karst/orchestrator/scheduler/shape.ts';
import { shapeText } from '@karst/orchestrator/scheduler/shape-text.ts';
import { Shares } from '@karst/orchestrator/scheduler/shares.ts';
import { inventorySchema } from '@karst/shared/protocol/inventory.ts';
import { policySchema } from '@karst/shared/protocol/job.ts';
import { changePolicy, joinPolicies } from '@karst/shared/protocol/job-change.ts';
import { type Placement, placementSchema } from '@karst/shared/protocol/placement.ts';
import type { Prices } from '@karst/shared/protocol/prices.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CountedStep, farmFacts, nodeFacts, waitingFacts } from './explaining.ts';
import { capabilitiesOf } from './nodes.ts';
import { stepOf } from './steps.ts';

const node = capabilitiesOf({
  devices: [{ index: 0, model: 'NVIDIA L4', memoryMib: 23_034 }],
  latencyMs: { shanghai: 35, guiyang: 2 },
  prices: { gpuHour: 2.5, coreHour: 0.04 },
});
const oneGpu = { amounts: [{ name: 'amount.worker.gpu', min: 1 }], attributes: [] };
/** What fails on the node, of a step with or without a GPU. */
const failed = (placement: Placement, uses: 'gpu' | 'cores' = 'cores') =>
  mismatches(shapeOf(uses === 'gpu' ? oneGpu : undefined, placement), node).map(
    ({ test, wanted, has }) => [test, wanted, has],
  );

const places = fc.constantFrom('shanghai', 'guiyang', 'lhasa', 'constructor');
const latencies = fc.dictionary(places, fc.integer({ min: 0, max: 50 }), { noNullPrototype: true });
const price = fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined });
/** As JSON has them: what is absent is no key. */
const prices = fc.record({ gpuHour: price, coreHour: price }).map(
  ({ gpuHour, coreHour }): Prices => ({
    ...(gpuHour === undefined ? {} : { gpuHour }),
    ...(coreHour === undefined ? {} : { coreHour }),
  }),
);
const backwards = <T extends object>(record: T) =>
  Object.fromEntries(Object.entries(record).reverse());

describe('caps of latency and price', () => {
  it.each<[string, Placement, 'gpu' | 'cores', string[][]]>([
    ['near enough', { maxLatencyMs: { shanghai: 35, guiyang: 20 } }, 'cores', []],
    [
      'too far',
      { maxLatencyMs: { shanghai: 20, guiyang: 2 } },
      'cores',
      [['latency.shanghai', 'at most 20 ms', '35 ms']],
    ],
    [
      'not known to be near',
      { maxLatencyMs: { lhasa: 60_000 } },
      'cores',
      [['latency.lhasa', 'at most 60000 ms', 'none']],
    ],
    [
      'a place by the name of what objects inherit',
      { maxLatencyMs: { constructor: 1 } },
      'cores',
      [['latency.constructor', 'at most 1 ms', 'none']],
    ],
    ['cheap enough', { maxPrices: { gpuHour: 2.5, coreHour: 0.04 } }, 'gpu', []],
    [
      'too dear',
      { maxPrices: { gpuHour: 2, coreHour: 0 } },
      'gpu',
      [
        ['price.gpuHour', 'at most 2', '2.5'],
        ['price.coreHour', 'at most 0', '0.04'],
      ],
    ],
    ['its GPUs too dear, none asked for', { maxPrices: { gpuHour: 2 } }, 'cores', []],
    [
      'its cores too dear, none asked for',
      { maxPrices: { coreHour: 0.01 } },
      'cores',
      [['price.coreHour', 'at most 0.01', '0.04']],
    ],
  ])('%s', (_, placement, uses, tests) => {
    expect(failed(placement, uses)).toEqual(tests);
  });

  it('cost nothing where no price is set', () => {
    const own = capabilitiesOf({ devices: node.devices });
    const shape = shapeOf(oneGpu, { maxPrices: { gpuHour: 0, coreHour: 0 } });
    expect(mismatches(shape, own)).toEqual([]);
  });

  it('are met by exactly those nodes that are within each of them', () => {
    fc.assert(
      fc.property(
        latencies,
        prices,
        latencies,
        prices,
        fc.boolean(),
        (told, costs, near, cheap, gpu) => {
          const has = capabilitiesOf({ devices: node.devices, latencyMs: told, prices: costs });
          const shape = shapeOf(gpu ? oneGpu : undefined, { maxLatencyMs: near, maxPrices: cheap });
          const isNear = Object.entries(near).every(([place, ms]) =>
            Object.entries(told).some(([known, knownMs]) => known === place && knownMs <= ms),
          );
          const cost = ({ gpuHour = 0, coreHour = 0 }: Prices, uncapped: number) => ({
            gpuHour: cheap.gpuHour === undefined ? uncapped : gpuHour,
            coreHour: cheap.coreHour === undefined ? uncapped : coreHour,
          });
          const [paid, most] = [cost(costs, 0), cost(cheap, 0)];
          const isCheap = paid.coreHour <= most.coreHour && (!gpu || paid.gpuHour <= most.gpuHour);
          expect(mismatches(shape, has).length === 0).toBe(isNear && isCheap);
        },
      ),
    );
  });

  it('make equal shapes in any order, and others where a number differs', () => {
    fc.assert(
      fc.property(latencies, prices, places, (maxLatencyMs, maxPrices, place) => {
        const key = (placement: Placement) => shapeOf(undefined, placement).key;
        const one = key({ maxLatencyMs, maxPrices });
        const turned = { maxPrices: backwards(maxPrices), maxLatencyMs: backwards(maxLatencyMs) };
        expect(key(turned)).toBe(one);
        expect(key({ maxLatencyMs: { ...maxLatencyMs, [place]: 51 }, maxPrices })).not.toBe(one);
        expect(key({ maxLatencyMs, maxPrices: { ...maxPrices, gpuHour: 6 } })).not.toBe(one);
        expect(key({ maxLatencyMs, maxPrices: { ...maxPrices, coreHour: 6 } })).not.toBe(one);
      }),
    );
    expect(shapeOf(undefined, { maxLatencyMs: {}, maxPrices: {} }).key).toBe(
      shapeOf(undefined).key,
    );
  });

  it('come from what the agent told and what the operator set', () => {
    const inventory = inventorySchema.parse({
      ...{ hostname: 'h', os: 'linux', arch: 'arm64', cpuModel: 'c', cpuCount: 1, memoryMib: 1 },
      ...{ scratchMib: 0, gpus: [], latencyMs: { shanghai: 3 }, agentVersion: '0' },
    });
    const settings = { pool: 'default', tags: [], prices: { coreHour: 2 } };
    expect(capabilitiesFrom('n', inventory, settings)).toMatchObject({
      latencyMs: { shanghai: 3 },
      prices: { coreHour: 2 },
    });
  });

  it('are refused with numbers and names that make no sense', () => {
    const isTaken = (placement: object) => placementSchema.safeParse(placement).success;
    expect(isTaken({ maxLatencyMs: { 'hall-2': 0.5 }, maxPrices: { gpuHour: 0 } })).toBe(true);
    for (const maxLatencyMs of [{ Shanghai: 1 }, { a: -1 }, { a: 60_001 }, { a: '1' }]) {
      expect(isTaken({ maxLatencyMs })).toBe(false);
    }
    for (const maxPrices of [{ gpuHour: -1 }, { coreHour: '1' }, { hour: 1 }]) {
      expect(isTaken({ maxPrices })).toBe(false);
    }
  });
});

describe('explained caps', () => {
  const told = (placement: Placement, nodes: readonly Partial<typeof node>[]) => {
    const step: CountedStep = { ...stepOf(1, { shape: shapeOf(oneGpu, placement) }), counters: [] };
    const all = nodes.map((given, n) =>
      nodeFacts(n, { capabilities: capabilitiesOf({ devices: node.devices, ...given }) }),
    );
    return explainStep(waitingFacts(step), farmFacts(new Scheduler(new Shares(1000, 0)), all));
  };

  it('tell the price nearest to the cap, the lowest', () => {
    const dear = [3, 2.5, 10].map((gpuHour) => ({ prices: { gpuHour } }));
    const { tests, summary } = told({ maxPrices: { gpuHour: 2 } }, dear);
    expect(tests).toEqual([{ test: 'price.gpuHour', nodes: 3, wanted: 'at most 2', has: '2.5' }]);
    expect(summary).toBe(
      'None of 3 nodes online can run it: they fail price.gpuHour (3 nodes: wanted at most 2, has 2.5).',
    );
  });

  it.each([
    ['first', [{ latencyMs: { shanghai: 35 } }, { latencyMs: { shanghai: 9000 } }, {}]],
    ['last', [{}, { latencyMs: { shanghai: 9000 } }, { latencyMs: { shanghai: 35 } }]],
  ])('tell the nearest node where it comes %s, before those that told nothing', (_, nodes) => {
    expect(told({ maxLatencyMs: { shanghai: 20 } }, nodes).tests).toEqual([
      { test: 'latency.shanghai', nodes: 3, wanted: 'at most 20 ms', has: '35 ms' },
    ]);
  });

  it('are told of what waits, for people', () => {
    const maxPrices = { gpuHour: 2, coreHour: 0.05 };
    const shape = shapeOf(oneGpu, { maxLatencyMs: { shanghai: 20 }, maxPrices, pool: 'gpu' });
    expect(shapeText(shape)).toBe(
      '1 GPU, pool gpu, at most 20 ms from shanghai, at most 2 for a GPU-hour, at most 0.05 for a core-hour',
    );
  });
});

describe('changed caps', () => {
  const before = {
    maxLatencyMs: { shanghai: 20, guiyang: 5 },
    maxPrices: { gpuHour: 2, coreHour: 1 },
  };
  it.each<[Parameters<typeof changePolicy>[1]['placement'], Placement]>([
    [{ maxPrices: { gpuHour: 3 } }, { ...before, maxPrices: { gpuHour: 3, coreHour: 1 } }],
    [{ maxPrices: { gpuHour: null } }, { ...before, maxPrices: { coreHour: 1 } }],
    [{ maxPrices: { gpuHour: null, coreHour: null } }, { maxLatencyMs: before.maxLatencyMs }],
    [{ maxPrices: null }, { maxLatencyMs: before.maxLatencyMs }],
    [{ maxLatencyMs: { lhasa: 1 } }, { ...before, maxLatencyMs: { lhasa: 1 } }],
    [{ maxLatencyMs: null }, { maxPrices: before.maxPrices }],
  ])('%j', (placement, after) => {
    const policy = policySchema.parse({ placement: before });
    expect(changePolicy(policy, { placement }).placement).toEqual(after);
    expect(joinPolicies({ placement: before }, { placement }).placement).toEqual(after);
  });
});
