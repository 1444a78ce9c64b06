import {
  cheapestVictims,
  classRank,
  type VictimLease,
} from '@karst/orchestrator/scheduler/cheapest-victims.ts';
import { FreeResources } from '@karst/orchestrator/scheduler/free.ts';
import {
  type BusyNode,
  type Claim,
  lostCost,
  planPreemption,
  type Want,
} from '@karst/orchestrator/scheduler/preempt.ts';
import { type Shape, shapeOf } from '@karst/orchestrator/scheduler/shape.ts';
import type { PriorityClass } from '@karst/shared/protocol/job.ts';
import type { Resources } from '@karst/shared/protocol/lease.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { capabilitiesOf } from './nodes.ts';

const device = (index: number) => ({ index, model: 'h200', memoryMib: 144_384 });
const node = capabilitiesOf({ devices: [0, 1, 2, 3].map(device) });

const shapeWith = (vcpus: number, gpus: number): Shape =>
  shapeOf({
    amounts: [
      { name: 'amount.worker.vcpu', min: vcpus },
      { name: 'amount.worker.gpu', min: gpus },
    ],
    attributes: [],
  });

const reserved = (vcpus: number, gpus: number[]): Resources => ({
  vcpus,
  memoryMib: 0,
  scratchGib: 0,
  gpus,
});

interface Drawn {
  lease: VictimLease;
  isProtected: boolean;
}

const classes: PriorityClass[] = ['urgent', 'normal', 'background'];

/** Leases that fit on `node` together, some of them protected. */
const drawnLeases = (most: number): fc.Arbitrary<Drawn[]> =>
  fc
    .array(
      fc.record({
        vcpus: fc.integer({ min: 1, max: 4 }),
        gpus: fc.integer({ min: 0, max: 2 }),
        priorityClass: fc.constantFrom(...classes),
        studio: fc.constantFrom('a', 'b', 'c'),
        lost: fc.integer({ min: 1, max: 20 }),
        isProtected: fc.boolean(),
      }),
      { maxLength: most },
    )
    .map((drawn) => {
      const free = new FreeResources(node, []);
      return drawn.flatMap(({ vcpus, gpus, priorityClass, studio, lost, isProtected }, i) => {
        const resources = free.take(shapeWith(vcpus, gpus));
        if (resources === undefined) return [];
        const leaseId = `lease-${i}`;
        return [
          { lease: { leaseId, studio, priorityClass, resources, lostCost: lost }, isProtected },
        ];
      });
    });

const drawnShape = fc
  .record({ vcpus: fc.integer({ min: 1, max: 8 }), gpus: fc.integer({ min: 0, max: 4 }) })
  .map(({ vcpus, gpus }) => shapeWith(vcpus, gpus));

const wantOf = (given: Partial<Want>): Want => ({
  studio: 'film',
  priorityClass: 'urgent',
  shape: shapeOf(undefined),
  count: 1,
  ...given,
});

function busyNode(drawn: readonly Drawn[], slots: number): BusyNode<VictimLease> {
  return {
    nodeId: 'n1',
    capabilities: node,
    admission: {},
    slotsFree: slots - drawn.length,
    held: drawn.flatMap(({ lease, isProtected }) =>
      isProtected && lease.resources ? [lease.resources] : [],
    ),
    leases: drawn.flatMap(({ lease, isProtected }) => (isProtected ? [] : [lease])),
  };
}

/** Whether a lease of the shape fits once `ended` are gone. */
function fitsWithout(
  drawn: readonly Drawn[],
  ended: readonly VictimLease[],
  shape: Shape,
  slots: number,
): boolean {
  const left = drawn.filter(({ lease }) => !ended.includes(lease));
  const held = left.flatMap(({ lease: { resources } }) => (resources ? [resources] : []));
  return slots - left.length >= 1 && new FreeResources(node, held).fits(shape);
}

function* subsets<T>(items: readonly T[]): Generator<T[]> {
  for (let bits = 0; bits < 2 ** items.length; bits++) {
    yield items.filter((_, i) => (bits >> i) & 1);
  }
}

const rankOf = (leases: readonly VictimLease[]) =>
  Math.max(...leases.map(({ priorityClass }) => classRank(priorityClass)));
const sumOf = (leases: readonly VictimLease[]) =>
  leases.reduce((sum, lease) => sum + lease.lostCost, 0);

describe('one node', () => {
  it('gives up what is cheapest of all sets that make room, a lower class before a higher', () => {
    fc.assert(
      fc.property(
        drawnLeases(8),
        drawnShape,
        fc.constantFrom<PriorityClass>('urgent', 'normal', 'background'),
        fc.integer({ min: 0, max: 1 }),
        (drawn, shape, priorityClass, spare) => {
          const slots = drawn.length + spare;
          const want = wantOf({ priorityClass, shape });
          const [made] = planPreemption([want], [busyNode(drawn, slots)], new Map(), 9);
          const allowed = drawn.flatMap(({ lease, isProtected }) =>
            !isProtected && classRank(lease.priorityClass) < classRank(priorityClass)
              ? [lease]
              : [],
          );
          const enough = [...subsets(allowed)].filter((set) =>
            fitsWithout(drawn, set, shape, slots),
          );
          if (enough.length === 0 || enough.some((set) => set.length === 0)) {
            expect(made).toBeUndefined();
            return;
          }
          expect(made).toBeDefined();
          const leases: readonly VictimLease[] = made?.leases ?? [];
          expect(leases.every((lease) => allowed.includes(lease))).toBe(true);
          expect(fitsWithout(drawn, leases, shape, slots)).toBe(true);
          const rank = Math.min(...enough.map(rankOf));
          const best = enough.filter((set) => rankOf(set) === rank).map(sumOf);
          expect([rankOf(leases), sumOf(leases)]).toEqual([rank, Math.min(...best)]);
          const kept = drawn.filter(({ lease }) => !leases.includes(lease));
          const held = kept.flatMap(({ lease }) => (lease.resources ? [lease.resources] : []));
          const free = new FreeResources(node, held);
          expect(free.take(shape)).toEqual(made?.resources);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('never ends more than it takes, however many leases it runs', () => {
    const many = fc.array(
      fc.record({ vcpus: fc.constantFrom(0.5, 1), lost: fc.integer({ min: 1, max: 50 }) }),
      { minLength: 11, maxLength: 60 },
    );
    fc.assert(
      fc.property(many, fc.integer({ min: 1, max: 20 }), (drawn, wanted) => {
        const total = drawn.reduce((sum, { vcpus }) => sum + vcpus, 0);
        fc.pre(wanted <= total);
        const capabilities = capabilitiesOf({ vcpus: total });
        const leases: VictimLease[] = drawn.map(({ vcpus, lost }, i) => ({
          leaseId: `lease-${i}`,
          studio: 'a',
          priorityClass: 'background',
          resources: reserved(vcpus, []),
          lostCost: lost,
        }));
        const shape = shapeWith(wanted, 0);
        const held = leases.flatMap(({ resources }) => (resources ? [resources] : []));
        const free = new FreeResources(capabilities, held);
        const quota = () => undefined;
        const made = cheapestVictims({ shape, free, slotsFree: 1, candidates: leases, quota });
        const freed = (set: readonly VictimLease[]) =>
          set.reduce((sum, { resources }) => sum + (resources?.vcpus ?? 0), 0);
        const chosen = made?.leases ?? [];
        expect(freed(chosen)).toBeGreaterThanOrEqual(wanted);
        for (const one of chosen) {
          expect(freed(chosen.filter((lease) => lease !== one))).toBeLessThan(wanted);
        }
        // What was tried stays as it was found.
        expect(free.fits(shape)).toBe(false);
      }),
    );
  });
});

describe('a farm', () => {
  const lease = (given: Partial<VictimLease> = {}): VictimLease => ({
    leaseId: 'lease-1',
    studio: 'other',
    priorityClass: 'background',
    resources: undefined,
    lostCost: 10,
    ...given,
  });
  const nodeWith = (
    name: string,
    leases: VictimLease[],
    given: Partial<BusyNode<VictimLease>> = {},
  ): BusyNode<VictimLease> => ({
    nodeId: name,
    capabilities: capabilitiesOf({ name }),
    admission: {},
    slotsFree: 0,
    held: [],
    leases,
    ...given,
  });
  const plan = (
    wants: Want[],
    nodes: BusyNode<VictimLease>[],
    claims: Record<string, Claim> = {},
    most = 99,
  ) =>
    planPreemption(wants, nodes, new Map(Object.entries(claims)), most).map(
      ({ nodeId, leases }) => [nodeId, ...leases.map(({ leaseId }) => leaseId)],
    );

  it('ends the younger of two, and by name where both lost as much', () => {
    const old = nodeWith('a', [lease({ lostCost: lostCost(undefined, 60_000) })]);
    const young = nodeWith('b', [lease({ lostCost: lostCost(undefined, 1000) })]);
    expect(plan([wantOf({})], [old, young])).toEqual([['b', 'lease-1']]);
    const twin = nodeWith('c', [lease({ lostCost: lostCost(undefined, 1000) })]);
    expect(plan([wantOf({})], [twin, old, young])).toEqual([['b', 'lease-1']]);
  });

  it('counts what a second of a lease is worth: a GPU task of a minute outweighs an hour of a core', () => {
    expect(lostCost(reserved(1, [0]), 60_000)).toBeGreaterThan(lostCost(reserved(1, []), 600_000));
    expect(lostCost(reserved(2, []), -5)).toBe(20);
  });

  it('leaves everything alone while a node has room, and ends only what more the step can start', () => {
    const full = nodeWith('a', [lease()]);
    const free = nodeWith('b', [], { slotsFree: 1 });
    expect(plan([wantOf({})], [full, free])).toEqual([]);
    expect(plan([wantOf({ count: 2 })], [full, free])).toEqual([['a', 'lease-1']]);
    expect(plan([wantOf({ count: 9 })], [full], {}, 0)).toEqual([]);
  });

  it('does not end a lease where the step may not run', () => {
    const other = nodeWith('a', [lease()], { admission: { studios: ['else'] } });
    const classed = nodeWith('b', [lease()], { admission: { classes: ['background'] } });
    const small = nodeWith('c', [lease()], {
      capabilities: capabilitiesOf({ name: 'c', memoryMib: 10 }),
    });
    const shape = shapeOf({
      amounts: [{ name: 'amount.worker.memory', min: 1000 }],
      attributes: [],
    });
    expect(plan([wantOf({ shape })], [other, classed, small])).toEqual([]);
  });

  it('ends leases of the same class for a studio below its guarantee, down to that of the other', () => {
    const nodes = ['a', 'b', 'c'].map((name) =>
      nodeWith(name, [lease({ priorityClass: 'normal', studio: 'rich' })]),
    );
    const want = wantOf({ priorityClass: 'normal', studio: 'poor', count: 3 });
    expect(plan([want], nodes)).toEqual([]);
    expect(plan([want], nodes, { poor: { guaranteed: 0, running: 0 } })).toEqual([]);
    const rich = { guaranteed: 0, running: 3 };
    expect(plan([want], nodes, { poor: { guaranteed: 2, running: 0 }, rich })).toEqual([
      ['a', 'lease-1'],
      ['b', 'lease-1'],
    ]);
    const safe = { guaranteed: 2, running: 3 };
    expect(plan([want], nodes, { poor: { guaranteed: 9, running: 0 }, rich: safe })).toEqual([
      ['a', 'lease-1'],
    ]);
  });

  it('never ends a lease of a higher class, nor a protected one, and ends none twice', () => {
    const farm = fc.array(drawnLeases(5), { minLength: 1, maxLength: 4 });
    const wants = fc.array(
      fc.record({
        studio: fc.constantFrom('a', 'b'),
        priorityClass: fc.constantFrom(...classes),
        shape: drawnShape,
        count: fc.integer({ min: 1, max: 3 }),
      }),
      { maxLength: 4 },
    );
    const claim = fc.record({
      guaranteed: fc.integer({ min: 0, max: 4 }),
      running: fc.integer({ min: 0, max: 4 }),
    });
    fc.assert(
      fc.property(farm, wants, claim, claim, (drawn, wanted, a, b) => {
        const nodes = drawn.map((leases, i) => ({
          ...busyNode(leases, leases.length),
          nodeId: String(i),
        }));
        const made = planPreemption(wanted, nodes, new Map(Object.entries({ a, b })), 5);
        expect(made.length).toBeLessThanOrEqual(5);
        const seen = new Set<string>();
        for (const { want, nodeId, leases } of made) {
          expect(leases.length).toBeGreaterThan(0);
          for (const ended of leases) {
            const found = drawn[Number(nodeId)]?.find((one) => one.lease === ended);
            expect(found?.isProtected).toBe(false);
            const below = classRank(want.priorityClass) - classRank(ended.priorityClass);
            expect(below).toBeGreaterThanOrEqual(0);
            if (below === 0) expect(ended.studio).not.toBe(want.studio);
            expect(seen.has(`${nodeId}/${ended.leaseId}`)).toBe(false);
            seen.add(`${nodeId}/${ended.leaseId}`);
          }
        }
      }),
    );
  });
});
