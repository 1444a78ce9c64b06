import { rangesFrom, taskAt, taskAtOf } from '@karst/orchestrator/domain/task-order.ts';
import { taskOrderSchema } from '@karst/shared/protocol/job.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const orders = taskOrderSchema.options;
const ordered = (order: (typeof orders)[number], total: number) =>
  Array.from({ length: total }, (_, position) => taskAt(order, total, position));

describe.each(orders)('%s', (order) => {
  it('has every task once, for any number of tasks', () => {
    for (let total = 1; total <= 300; total++) {
      const sorted = ordered(order, total).sort((a, b) => a - b);
      expect(sorted, `${total} tasks`).toEqual(Array.from({ length: total }, (_, i) => i));
    }
  });

  it('has every task once at the end of very large numbers too', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 100_000_000 }), fc.nat(), (total, at) => {
        const from = Math.max(0, (at % total) - 50);
        const length = Math.min(100, total - from);
        const tasks = Array.from({ length }, (_, i) => taskAt(order, total, from + i));
        expect(new Set(tasks).size).toBe(length);
        for (const task of tasks) expect(task >= 0 && task < total).toBe(true);
      }),
    );
  });

  it('is cut into ranges that hold the tasks of their positions', () => {
    const some = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.nat(),
        some,
        some,
        (total, at, size, count) => {
          const from = at % total;
          const { ranges, next } = rangesFrom(order, [total], { from, to: total, size, count });
          expect(ranges.length > 0 && ranges.length <= count && next > from).toBe(true);
          const tasks = ranges.flatMap(({ first, last }) => {
            expect(last >= first && last - first < size).toBe(true);
            return Array.from({ length: last - first + 1 }, (_, i) => first + i);
          });
          const wanted = ordered(order, total).slice(from, next);
          expect(tasks.sort((a, b) => a - b)).toEqual(wanted.sort((a, b) => a - b));
        },
      ),
    );
  });
});

it.each(orders)('%s: tasks that are added take no position of those there', (order) => {
  const sizes = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 8 }), (parts, size) => {
      const total = parts.reduce((sum, part) => sum + part, 0);
      const all = Array.from({ length: total }, (_, position) => taskAtOf(order, parts, position));
      expect([...all].sort((a, b) => a - b)).toEqual(Array.from({ length: total }, (_, i) => i));
      const before = parts.slice(0, -1);
      const known = total - (parts.at(-1) ?? 0);
      const former = Array.from({ length: known }, (_, at) => taskAtOf(order, before, at));
      expect(all.slice(0, known)).toEqual(former);
      // Each part is in the order by itself.
      expect(all.slice(known).map((task) => task - known)).toEqual(ordered(order, total - known));
      const { ranges } = rangesFrom(order, parts, { from: 0, to: total, size, count: total });
      const listed = ranges.flatMap(({ first, last }) =>
        Array.from({ length: last - first + 1 }, (_, i) => first + i),
      );
      expect(listed.sort((a, b) => a - b)).toEqual(all.sort((a, b) => a - b));
      expect(() => taskAtOf(order, parts, total)).toThrow(RangeError);
    }),
  );
});

it('orders as its name says', () => {
  expect(ordered('ascending', 4)).toEqual([0, 1, 2, 3]);
  expect(ordered('descending', 4)).toEqual([3, 2, 1, 0]);
  expect(ordered('first-middle-last', 7)).toEqual([0, 3, 6, 1, 2, 4, 5]);
  expect(ordered('first-middle-last', 2)).toEqual([0, 1]);
  expect(ordered('bisect', 9)).toEqual([0, 8, 4, 2, 6, 1, 5, 3, 7]);
  expect(ordered('bisect', 6)).toEqual([0, 5, 2, 1, 3, 4]);
});

it('cuts neighbours together: a descending step from its end', () => {
  const from = { from: 2, to: 100, size: 10, count: 2 };
  expect(rangesFrom('descending', [100], from)).toEqual({
    ranges: [
      { first: 88, last: 97 },
      { first: 78, last: 87 },
    ],
    next: 22,
  });
  expect(
    rangesFrom('first-middle-last', [9], { ...from, from: 0, to: 9, count: 5 }).ranges,
  ).toEqual([
    { first: 0, last: 0 },
    { first: 4, last: 4 },
    { first: 8, last: 8 },
    { first: 1, last: 3 },
    { first: 5, last: 7 },
  ]);
});

it('bisects so that whatever has run is spread evenly', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 3, max: 5000 }),
      fc.integer({ min: 2, max: 400 }),
      (total, some) => {
        const done = Math.min(some, total);
        const tasks = Array.from({ length: done }, (_, i) => taskAt('bisect', total, i));
        tasks.sort((a, b) => a - b);
        const gaps = tasks.slice(1).map((task, i) => task - (tasks[i] ?? 0));
        // As with any bisection, the widest gap is at most twice the mean one (and rounding).
        expect(Math.max(...gaps)).toBeLessThanOrEqual((2 * (total - 1)) / (done - 1) + 1);
      },
    ),
  );
});
