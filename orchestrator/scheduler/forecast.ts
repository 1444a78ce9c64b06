import type { TaskTimes } from './task-times.ts';

/** From now on, ms: half, and nine of ten, are expected within. */
export interface Span {
  readonly p50: number;
  readonly p90: number;
}

export interface Queue {
  /** Leases of the step that the nodes which can serve it run at once. */
  readonly slots: number;
  /** The part of them (0 to 1) that is its studio's against those who want them too. */
  readonly share: number;
  /** A ceiling over its leases. */
  readonly most: number | undefined;
  /** Work of the studio's own steps that go first, and of higher classes: tasks, and ms of one slot. */
  readonly ownAhead: Work | undefined;
  readonly classAhead: Work | undefined;
  /** Mean run time of what runs on these nodes, where it is measured. */
  readonly runningMs: number | undefined;
  /** A slot is free and nobody goes first. */
  readonly next: boolean;
}

export interface Work {
  readonly tasks: number;
  readonly ms: number;
}

export interface StepWork {
  readonly waiting: number;
  readonly running: number;
  readonly times: TaskTimes;
}

/** The 90 % quantile of a standard normal variable. */
const Z90 = 1.2816;

const now: Span = { p50: 0, p90: 0 };
const add = (a: Span, b: Span): Span => ({ p50: a.p50 + b.p50, p90: a.p90 + b.p90 });

/** Slots the studio may count on: its share of them, at least one, at most what a ceiling allows. */
export function slotsInHand({ slots, share, most }: Queue): number {
  return Math.max(1, Math.min(Math.floor(slots * share), most ?? Number.POSITIVE_INFINITY));
}

/**
 * When the first waiting task should start, from now on.
 *
 * Work ahead (n tasks, W ms in all, on S slots) takes W / S; at 90 % it takes W / S + 1.28 (W / n) √n / S,
 * as if run times varied as an exponential distribution does. Then a slot must come free: of E busy
 * slots with tasks of T ms, each at a random place in its task, the first does within T (1 - q^(1/E))
 * with probability 1 - q; with a share s of the slots it takes 1 / s such turns. Undefined where a
 * run time that it needs was never measured.
 */
export function startIn(queue: Queue): Span | undefined {
  if (queue.next) return now;
  if (queue.ownAhead === undefined || queue.classAhead === undefined) return undefined;
  const queued = add(
    workIn(queue.ownAhead, slotsInHand(queue)),
    workIn(queue.classAhead, Math.max(1, queue.slots)),
  );
  if (queue.runningMs === undefined) return undefined;
  const slots = Math.max(1, queue.slots);
  const turn = queue.runningMs / Math.max(queue.share, 1 / slots);
  const freed = { p50: turn * (1 - 0.5 ** (1 / slots)), p90: turn * (1 - 0.1 ** (1 / slots)) };
  return add(queued, freed);
}

function workIn({ tasks, ms }: Work, slots: number): Span {
  if (tasks === 0) return now;
  const p50 = ms / slots;
  return { p50, p90: p50 + (Z90 * (ms / tasks) * Math.sqrt(tasks)) / slots };
}

/**
 * How long the step takes once it runs. With S slots in hand, R = waiting + running / 2 tasks left (a
 * running one is taken to be half done) and mean m: all but the last round keep every slot busy, which
 * takes (R / S - 1) m; the last round of k = min(tasks, S) tasks ends with its slowest, the quantile
 * q^(1/k) of the run times, q = 0.5 and 0.9. At 90 % the rounds before vary by (t90 - m) √(R / S - 1).
 * So one task left takes its median, and its 90 % quantile. Undefined before a task was measured.
 */
export function lengthOf(work: StepWork, queue: Queue): Span | undefined {
  const { times } = work;
  if (times.count === 0) return undefined;
  const left = work.waiting + work.running / 2;
  const slots = slotsInHand(queue);
  const last = Math.max(1, Math.min(work.waiting + work.running, slots));
  const rounds = Math.max(0, left / slots - 1);
  const mean = times.meanMs;
  const spread = Math.max(0, times.quantileMs(0.9) - mean) * Math.sqrt(rounds);
  return {
    p50: rounds * mean + times.quantileMs(0.5 ** (1 / last)),
    p90: rounds * mean + spread + times.quantileMs(0.9 ** (1 / last)),
  };
}
