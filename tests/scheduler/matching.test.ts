import { FreeResources } from '@karst/orchestrator/scheduler/free.ts';
import { mismatches } from '@karst/orchestrator/scheduler/match.ts';
import { shapeOf } from '@karst/orchestrator/scheduler/shape.ts';
import { versionWithin } from '@karst/orchestrator/scheduler/version-range.ts';
import type { ResolvedHostRequirements } from '@karst/shared/openjd/resolved-job.ts';
import type { Placement } from '@karst/shared/protocol/placement.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { capabilitiesOf } from './nodes.ts';

const gpus = [
  { index: 0, model: 'NVIDIA H100 80GB HBM3', memoryMib: 81_559 },
  { index: 1, model: 'NVIDIA L4', memoryMib: 23_034 },
  { index: 2, model: 'NVIDIA L4', memoryMib: 23_034 },
];
const node = capabilitiesOf({
  name: 'render-7',
  devices: gpus,
  amounts: { 'amount.worker.seat': 2 },
  attributes: { 'attr.worker.os.family': ['linux'], 'attr.studio': ['a', 'b'] },
  software: { blender: '3.4.1' },
  tags: ['fast', 'quiet'],
  region: 'guian',
  site: 'hall-2',
  pool: 'render',
});
const amounts = (...list: [string, number][]): ResolvedHostRequirements => ({
  amounts: list.map(([name, min]) => ({ name: `amount.worker.${name}`, min })),
  attributes: [],
});
const failed = (requirements?: ResolvedHostRequirements, placement?: Placement) =>
  mismatches(shapeOf(requirements, placement), node).map(({ test }) => test);

describe('matching', () => {
  it.each<[string, ResolvedHostRequirements | undefined, Placement | undefined, string[]]>([
    ['nothing asked', undefined, undefined, []],
    ['what it has', amounts(['vcpu', 8], ['memory', 32_768], ['gpu', 3]), undefined, []],
    ['too many cores', amounts(['vcpu', 9]), undefined, ['amount.worker.vcpu']],
    ['too many GPUs', amounts(['gpu', 4]), undefined, ['amount.worker.gpu']],
    [
      'two GPUs with 40 GB',
      amounts(['gpu', 2], ['gpu.memory', 40_000]),
      undefined,
      ['amount.worker.gpu'],
    ],
    ['one GPU with 40 GB', amounts(['gpu', 1], ['gpu.memory', 40_000]), undefined, []],
    ['two L4', amounts(['gpu', 2]), { gpuModels: ['l4'] }, []],
    ['three L4', amounts(['gpu', 3]), { gpuModels: ['l4'] }, ['amount.worker.gpu']],
    ['a custom amount', amounts(['seat', 2]), undefined, []],
    ['a custom amount it lacks', amounts(['desk', 1]), undefined, ['amount.worker.desk']],
    ['its region and site', undefined, { regions: ['guian', 'x'], sites: ['hall-2'] }, []],
    ['another region', undefined, { regions: ['lhasa'] }, ['region']],
    ['a provider, having none', undefined, { providers: ['p'] }, ['provider']],
    ['its tags', undefined, { tags: ['quiet', 'fast'] }, []],
    ['a tag it lacks', undefined, { tags: ['quiet', 'loud'] }, ['tags']],
    ['another pool', undefined, { pool: 'sim' }, ['pool']],
    ['to avoid it', undefined, { avoidNodes: ['render-7'] }, ['node']],
    ['a program', undefined, { software: { blender: '>=3.4 <4' } }, []],
    ['a newer program', undefined, { software: { blender: '>=4' } }, ['software.blender']],
    ['a program it lacks', undefined, { software: { nuke: '15' } }, ['software.nuke']],
  ])('%s', (_, requirements, placement, tests) => {
    expect(failed(requirements, placement)).toEqual(tests);
  });

  it('compares attributes by any and by all', () => {
    const attribute = (given: { anyOf?: string[]; allOf?: string[] }) =>
      failed({ amounts: [], attributes: [{ name: 'attr.studio', ...given }] });
    expect(attribute({ anyOf: ['c', 'b'] })).toEqual([]);
    expect(attribute({ anyOf: ['c'] })).toEqual(['attr.studio']);
    expect(attribute({ allOf: ['a', 'b'] })).toEqual([]);
    expect(attribute({ allOf: ['a', 'c'] })).toEqual(['attr.studio']);
  });

  it('makes one shape of wishes that differ in order only', () => {
    const one = shapeOf(amounts(['vcpu', 2], ['memory', 3]), { tags: ['a', 'b'], pool: 'p' });
    const other = shapeOf(amounts(['memory', 3], ['vcpu', 2]), { pool: 'p', tags: ['b', 'a'] });
    expect(one.key).toBe(other.key);
    expect(one.key).not.toBe(shapeOf(amounts(['vcpu', 2])).key);
  });

  it.each([
    ['3.4.1', '3.4', true],
    ['3.41', '3.4', false],
    ['3.4.1', '=3.4.1', true],
    ['3.4.1', '>3.4.1', false],
    ['2024.1.2', '>=2023 <2025', true],
    ['v10.0-beta', '>=9', true],
    ['unknown', '>=0', false],
  ])('%s is within %s: %s', (version, range, within) => {
    expect(versionWithin(version, range)).toBe(within);
  });
});

describe('free resources', () => {
  it('hands out the smallest GPUs that do, and each once', () => {
    const free = new FreeResources(node, []);
    const one = shapeOf(amounts(['gpu', 1]));
    expect([1, 2, 3, 4].map(() => free.take(one)?.gpus)).toEqual([[1], [2], [0], undefined]);
  });

  it('are never overdrawn, by any shapes in any order', () => {
    const wish = fc.record({
      vcpu: fc.integer({ min: 1, max: 6 }),
      memory: fc.integer({ min: 0, max: 20_000 }),
      gpu: fc.integer({ min: 0, max: 3 }),
      seat: fc.integer({ min: 0, max: 2 }),
    });
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 12 }), (wishes) => {
        const free = new FreeResources(node, []);
        const taken = wishes.flatMap((each) => {
          const shape = shapeOf(amounts(...Object.entries(each)));
          const fits = free.fits(shape);
          const resources = free.take(shape);
          expect(resources !== undefined).toBe(fits);
          return resources === undefined ? [] : [resources];
        });
        const sum = (of: (each: (typeof taken)[number]) => number) =>
          taken.reduce((all, each) => all + of(each), 0);
        expect(sum(({ vcpus }) => vcpus)).toBeLessThanOrEqual(node.vcpus);
        expect(sum(({ memoryMib }) => memoryMib)).toBeLessThanOrEqual(node.memoryMib);
        expect(sum(({ amounts: own }) => own?.['amount.worker.seat'] ?? 0)).toBeLessThanOrEqual(2);
        const handed = taken.flatMap((each) => each.gpus);
        expect(new Set(handed).size).toBe(handed.length);
      }),
    );
  });
});
