import type { TaskOrder } from '@karst/shared/protocol/job.ts';

/**
 * Which task (0-based) goes at `position` (0 ≤ position < total) of an order: arithmetic, whatever the
 * number of tasks (up to 100 million: every product here is exact). A permutation of 0 to total - 1.
 *
 * - first-middle-last: these three, then the others as they are numbered.
 * - bisect: first, last, the middle, then the middles of what lies between, far apart from each other,
 *   so that however many have run, they are spread evenly.
 */
export function taskAt(order: TaskOrder, total: number, position: number): number {
  if (!Number.isSafeInteger(position) || position < 0 || position >= total) {
    throw new RangeError(`position ${position} is outside 0 to ${total - 1}`);
  }
  if (order === 'descending') return total - 1 - position;
  if (order === 'first-middle-last') return firstMiddleLast(total, position);
  return order === 'bisect' ? bisected(total, position) : position;
}

function firstMiddleLast(total: number, position: number): number {
  const last = total - 1;
  const middle = Math.floor(last / 2);
  if (total <= 2 || position === 0) return position;
  if (position === 1) return middle;
  if (position === 2) return last;
  // The first is out of the way: position 3 is the first task behind it, or behind the middle.
  const task = position - 2;
  return task < middle ? task : task + 1;
}

/**
 * Halving the stretch between first and last task as long as halves differ gives 2^k equal parts of
 * less than two tasks each; the ends of the parts go first, by levels, then those that lie within a
 * part, at most one in each.
 */
function bisected(total: number, position: number): number {
  const stretch = total - 1;
  if (position === 0) return 0;
  if (position === 1) return stretch;
  const levels = Math.floor(Math.log2(stretch));
  const parts = 2 ** levels;
  if (position <= parts) {
    // Level l has 2^l middles: those of the parts that level l - 1 left.
    const number = position - 1;
    const level = Math.floor(Math.log2(number));
    const middle = 2 * reversed(number - 2 ** level, level) + 1;
    return Math.floor((middle * stretch) / 2 ** (level + 1));
  }
  // Of parts with a task inside there are stretch - parts, as evenly spread as they can be.
  const nth = position - parts;
  const part = Math.ceil((nth * parts) / (stretch - parts)) - 1;
  return Math.floor((part * stretch) / parts) + 1;
}

/** `bits` bits of a number back to front: neighbours end up far apart. */
function reversed(number: number, bits: number): number {
  let result = 0;
  for (let rest = number, bit = 0; bit < bits; bit++, rest = Math.floor(rest / 2)) {
    result = 2 * result + (rest % 2);
  }
  return result;
}

export interface TaskRange {
  first: number;
  last: number;
}

/**
 * As taskAt, for a step that tasks were added to: its parts, given by their sizes, go one after the
 * other, each in the order. So positions that were there before stay what they are.
 */
export function taskAtOf(order: TaskOrder, sizes: readonly number[], position: number): number {
  let first = 0;
  for (const size of sizes) {
    if (position < first + size) return first + taskAt(order, size, position - first);
    first += size;
  }
  throw new RangeError(`position ${position} is outside 0 to ${first - 1}`);
}

/**
 * The tasks of positions `from` to `to` - 1, as ranges of at most `size`, as many as `count`: those that
 * follow each other in the order go together where they are neighbours. `next`: the position behind them.
 */
export function rangesFrom(
  order: TaskOrder,
  sizes: readonly number[],
  { from, to, size, count }: { from: number; to: number; size: number; count: number },
): { ranges: TaskRange[]; next: number } {
  const ranges: TaskRange[] = [];
  let next = from;
  while (next < to) {
    const task = taskAtOf(order, sizes, next);
    const open = ranges.at(-1);
    const hasRoom = open !== undefined && open.last - open.first + 1 < size;
    if (hasRoom && task === open.last + 1) open.last = task;
    else if (hasRoom && task === open.first - 1) open.first = task;
    else if (ranges.length === count) break;
    else ranges.push({ first: task, last: task });
    next += 1;
  }
  return { ranges, next };
}
