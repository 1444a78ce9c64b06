import { FreeResources } from '@karst/orchestrator/scheduler/free.ts';
import { fitsBefore, type GangNode, gangPlaces } from '@karst/orchestrator/scheduler/gang.ts';
import { capacityOf } from '@karst/orchestrator/scheduler/node-standing.ts';
import { shapeOf } from '@karst/orchestrator/scheduler/shape.ts';
import { newNodeId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { capabilitiesOf } from './nodes.ts';

const nowMs = 1_000_000;
const shapeWith = (vcpus: number, gpus: number) =>
  shapeOf({
    amounts: [
      { name: 'amount.worker.vcpu', min: vcpus },
      ...(gpus === 0 ? [] : [{ name: 'amount.worker.gpu', min: gpus }]),
    ],
    attributes: [],
  });
const device = (index: number) => ({ index, model: 'h200', memoryMib: 144_384 });

/** A node whose leases fit on it together. */
const drawnNode: fc.Arbitrary<GangNode> = fc
  .record({
    vcpus: fc.integer({ min: 1, max: 16 }),
    gpus: fc.integer({ min: 0, max: 4 }),
    slots: fc.integer({ min: 0, max: 6 }),
    leases: fc.array(
      fc.record({
        vcpus: fc.integer({ min: 1, max: 4 }),
        gpus: fc.integer({ min: 0, max: 2 }),
        endsInMs: fc.integer({ min: 0, max: 50 }),
      }),
      { maxLength: 6 },
    ),
  })
  .map(({ vcpus, gpus, slots, leases }) => {
    const devices = Array.from({ length: gpus }, (_, i) => device(i));
    const capabilities = capabilitiesOf({ vcpus, devices });
    const free = new FreeResources(capabilities, []);
    const running = leases.flatMap((lease) => {
      const resources = free.take(shapeWith(lease.vcpus, lease.gpus));
      return resources === undefined ? [] : [{ resources, endsAtMs: nowMs + lease.endsInMs }];
    });
    const kept = running.slice(0, slots);
    return {
      nodeId: newNodeId(systemRandom),
      capabilities,
      admission: {},
      slotsFree: slots - kept.length,
      kept: [],
      leases: kept,
    };
  });

const want = (vcpus: number, gpus: number, tasks: number) => ({
  studio: 'pixels',
  priorityClass: 'normal' as const,
  shape: shapeWith(vcpus, gpus),
  tasks,
});
const drawnWant = fc
  .record({
    vcpus: fc.integer({ min: 1, max: 6 }),
    gpus: fc.integer({ min: 0, max: 2 }),
    tasks: fc.integer({ min: 1, max: 12 }),
  })
  .map(({ vcpus, gpus, tasks }) => want(vcpus, gpus, tasks));

it('finds places that all fit at the moment when the last is free, beside what still runs', () => {
  fc.assert(
    fc.property(fc.array(drawnNode, { maxLength: 5 }), drawnWant, (nodes, gang) => {
      const { places } = gangPlaces(gang, nodes, nowMs);
      const atMs = places.at(-1)?.freeAtMs ?? nowMs;
      for (const node of nodes) {
        const here = places.filter(({ nodeId }) => nodeId === node.nodeId);
        const still = node.leases.filter(({ endsAtMs }) => endsAtMs > atMs);
        const free = new FreeResources(
          node.capabilities,
          still.flatMap(({ resources }) => resources ?? []),
        );
        for (const _ of here) expect(free.take(gang.shape)).toBeDefined();
        const slots = node.slotsFree + node.leases.length;
        expect(here.length + still.length).toBeLessThanOrEqual(slots);
      }
    }),
  );
});

it('finds too few only where the nodes have not room for all, whatever ends', () => {
  fc.assert(
    fc.property(fc.array(drawnNode, { maxLength: 5 }), drawnWant, (nodes, gang) => {
      const capacity = nodes.reduce((sum, node) => {
        const slots = node.slotsFree + node.leases.length;
        const facts = { capabilities: node.capabilities, slots };
        return sum + capacityOf(gang.shape, facts);
      }, 0);
      const { places, isEnough } = gangPlaces(gang, nodes, nowMs);
      expect(isEnough).toBe(capacity >= gang.tasks);
      expect(places).toHaveLength(Math.min(capacity, gang.tasks));
    }),
  );
});

it('takes what is free now before what has to be waited for, and that in the order it ends', () => {
  const busy = (endsInMs: number): GangNode => ({
    nodeId: newNodeId(systemRandom),
    capabilities: capabilitiesOf({ vcpus: 4 }),
    admission: {},
    slotsFree: 0,
    kept: [],
    leases: [
      {
        resources: { vcpus: 4, memoryMib: 0, scratchGib: 0, gpus: [] },
        endsAtMs: nowMs + endsInMs,
      },
    ],
  });
  const idle = { ...busy(0), slotsFree: 1, leases: [] };
  const [late, soon] = [busy(90), busy(30)];
  const { places } = gangPlaces(want(4, 0, 2), [late, soon, idle], nowMs);
  expect(places.map(({ nodeId, freeAtMs }) => [nodeId, freeAtMs - nowMs])).toEqual([
    [idle.nodeId, 0],
    [soon.nodeId, 30],
  ]);
});

it('goes to no pool that does not take its studio or class', () => {
  const node: GangNode = {
    nodeId: newNodeId(systemRandom),
    capabilities: capabilitiesOf({}),
    admission: {},
    slotsFree: 4,
    kept: [],
    leases: [],
  };
  const placesWith = (admission: GangNode['admission']) =>
    gangPlaces(want(1, 0, 1), [{ ...node, admission }], nowMs).places.length;
  expect(placesWith({})).toBe(1);
  expect(placesWith({ studios: ['pixels'], classes: ['normal'] })).toBe(1);
  expect(placesWith({ studios: ['others'] })).toBe(0);
  expect(placesWith({ classes: ['urgent'] })).toBe(0);
  expect(placesWith({ exclusive: true })).toBe(0);
});

it('lets a span use room that is kept only if it is known to be over in time', () => {
  expect(fitsBefore(undefined, 0, 1_000_000)).toBe(false);
  expect(fitsBefore(900, 0, 1000)).toBe(true);
  expect(fitsBefore(900, 30_000, 1000)).toBe(false);
  expect(fitsBefore(1100, 0, 1000)).toBe(false);
});
