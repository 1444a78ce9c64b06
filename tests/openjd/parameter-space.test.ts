import {
  type Combination,
  combinationLength,
  parameterNames,
  parseCombination,
  printCombination,
} from '@karst/shared/openjd/combination.ts';
import { taskCount, taskParameters, tasksOf } from '@karst/shared/openjd/parameter-space.ts';
import type { ResolvedParameterSpace } from '@karst/shared/openjd/resolved-job.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const parameters: ResolvedParameterSpace['parameters'] = [
  { name: 'A', type: 'INT', range: '1-3' },
  { name: 'B', type: 'INT', range: '10-12' },
  { name: 'C', type: 'FLOAT', values: ['20', '2.1e1'] },
  { name: 'D', type: 'STRING', values: ['a', 'b', 'b'] },
];

function points(combination: string, names: string): string[] {
  const used = parameters.filter(({ name }) => names.includes(name));
  const space = { parameters: used, combination };
  return [...tasksOf(space)].map((task) =>
    [...names].map((name) => task[name]?.value ?? '?').join(' '),
  );
}

describe('task parameters by index', () => {
  test.each<[string, string, string[]]>([
    ['A', 'A', ['1', '2', '3']],
    ['A * C', 'AC', ['1 20', '1 2.1e1', '2 20', '2 2.1e1', '3 20', '3 2.1e1']],
    ['C * A', 'AC', ['1 20', '2 20', '3 20', '1 2.1e1', '2 2.1e1', '3 2.1e1']],
    ['(A, B)', 'AB', ['1 10', '2 11', '3 12']],
    ['(A, B, D)', 'ABD', ['1 10 a', '2 11 b', '3 12 b']],
    [
      '(A, B) * C',
      'ABC',
      ['1 10 20', '1 10 2.1e1', '2 11 20', '2 11 2.1e1', '3 12 20', '3 12 2.1e1'],
    ],
    ['C * (A, D)', 'ACD', ['1 20 a', '2 20 b', '3 20 b', '1 2.1e1 a', '2 2.1e1 b', '3 2.1e1 b']],
  ])('%s', (combination, names, wanted) => {
    expect(points(combination, names)).toEqual(wanted);
  });

  test('a value carries its type, in the order of definition', () => {
    const space = { parameters: parameters.slice(2), combination: 'D * C' };
    expect(Object.entries(taskParameters(space, 0))).toEqual([
      ['C', { type: 'FLOAT', value: '20' }],
      ['D', { type: 'STRING', value: 'a' }],
    ]);
  });

  test('a step without a space has one task without parameters', () => {
    expect(taskCount(undefined)).toBe(1);
    expect([...tasksOf(undefined)]).toEqual([{}]);
    expect(() => taskParameters(undefined, 1)).toThrow(RangeError);
  });

  test.each([-1, 3, 1.5, Number.NaN])('index %d of 3 tasks is a bug of the caller', (index) => {
    const space = { parameters: parameters.slice(0, 1), combination: 'A' };
    expect(() => taskParameters(space, index)).toThrow('outside 0 to 2');
  });

  test('the last of 10^12 tasks is exact, and a thousand of them take milliseconds', () => {
    const space: ResolvedParameterSpace = {
      parameters: [
        { name: 'Frame', type: 'INT', range: '-500000--1,1-1000000:2' },
        { name: 'Tile', type: 'INT', range: '1-1000000' },
      ],
      combination: 'Frame * Tile',
    };
    expect(taskCount(space)).toBe(10 ** 12);
    expect(taskParameters(space, 10 ** 12 - 1)).toEqual({
      Frame: { type: 'INT', value: '999999' },
      Tile: { type: 'INT', value: '1000000' },
    });
    const before = performance.now();
    for (let index = 0; index < 1000; index++) taskParameters(space, 10 ** 12 - 1 - index * 997);
    expect(performance.now() - before).toBeLessThan(200);
  });

  test('iteration can start anywhere in a huge space', () => {
    const space = {
      parameters: [{ name: 'F', type: 'INT' as const, range: '1-1000000000000' }],
      combination: 'F',
    };
    const some = [...tasksOf(space, 999_999_999_998)].map((task) => task.F?.value);
    expect(some).toEqual(['999999999999', '1000000000000']);
  });
});

describe('any combination', () => {
  /** A random tree over A, B, C, … whose associations all have equal lengths. */
  const leaf = fc.integer({ min: 1, max: 4 });
  interface Shape {
    tree: Combination;
    lengths: number[];
    points: number[][];
  }
  const single = leaf.map(
    (length): Shape => ({
      tree: { kind: 'parameter', name: 'P' },
      lengths: [length],
      points: Array.from({ length }, (_, index) => [index]),
    }),
  );
  const combine = (shapes: Shape[]): Shape => {
    const equal = shapes.every(({ points }) => points.length === shapes[0]?.points.length);
    const lengths = shapes.flatMap((shape) => shape.lengths);
    if (equal && shapes.length > 1) {
      const points = (shapes[0]?.points ?? []).map((_, index) =>
        shapes.flatMap((shape) => shape.points[index] ?? []),
      );
      return {
        tree: { kind: 'association', parts: shapes.map(({ tree }) => tree) },
        lengths,
        points,
      };
    }
    const points = shapes.reduce<number[][]>(
      (all, shape) => all.flatMap((point) => shape.points.map((more) => [...point, ...more])),
      [[]],
    );
    const factors = shapes.flatMap(({ tree }) => (tree.kind === 'product' ? tree.factors : [tree]));
    return { tree: { kind: 'product', factors }, lengths, points };
  };
  const level = (inner: fc.Arbitrary<Shape>) =>
    fc.array(inner, { minLength: 2, maxLength: 3 }).map(combine);
  const shape = fc.oneof(single, level(single), level(fc.oneof(single, level(single))));

  function named(tree: Combination, next: { index: number }): Combination {
    if (tree.kind === 'parameter') return { kind: 'parameter', name: `P${next.index++}` };
    if (tree.kind === 'product') {
      return { kind: 'product', factors: tree.factors.map((each) => named(each, next)) };
    }
    return { kind: 'association', parts: tree.parts.map((each) => named(each, next)) };
  }

  test('prints and parses to itself, and its tasks are the points in order', () => {
    fc.assert(
      fc.property(shape, ({ tree: unnamed, lengths, points: wanted }) => {
        const tree = named(unnamed, { index: 0 });
        const combination = printCombination(tree);
        expect(parseCombination(combination)).toEqual({ ok: true, value: tree });
        expect(parameterNames(tree)).toHaveLength(lengths.length);
        const length = combinationLength(tree, (name) =>
          BigInt(lengths[Number(name.slice(1))] ?? 0),
        );
        expect(length).toEqual({ ok: true, value: BigInt(wanted.length) });
        const space: ResolvedParameterSpace = {
          combination,
          parameters: lengths.map((count, index) =>
            index % 2 === 0
              ? { name: `P${index}`, type: 'INT', range: `0-${count - 1}` }
              : {
                  name: `P${index}`,
                  type: 'INT',
                  values: Array.from({ length: count }, (_, i) => `${i}`),
                },
          ),
        };
        const found = [...tasksOf(space)].map((task) =>
          lengths.map((_, index) => Number(task[`P${index}`]?.value)),
        );
        expect(taskCount(space)).toBe(wanted.length);
        expect(found).toEqual(wanted);
      }),
      { numRuns: 200 },
    );
  });

  test('arbitrary text never throws', () => {
    const text = fc.string({
      unit: fc.constantFrom('A', 'B1', '_', '(', ')', ',', '*', ' ', '+', '1'),
    });
    fc.assert(
      fc.property(fc.oneof(fc.string(), text), (expression) => {
        const tree = parseCombination(expression);
        if (tree.ok) expect(parseCombination(printCombination(tree.value))).toEqual(tree);
        else expect(tree.error.message).not.toBe('');
      }),
      { numRuns: 500 },
    );
  });
});
