import { type Clock, sleep } from '@karst/shared/clock.ts';

/** Waits of a second and more end on a grid, ms: thousands of idle nodes are answered in groups. */
const GRID_MS = 50;
/** With twice as many that wait as this the grid is twice as wide, ms, and so on up to its limit. */
const FEW = 1000;
const GRID_MS_MAX = 200;
const LONG_MS = 1000;

interface Group {
  ends: Set<() => void>;
  empty: AbortController;
}

/**
 * Timers of calls that wait. Ends that fall together share a timer, so that nodes call again together
 * and what they ask of Redis leaves in few writes: waking both processes costs more than the call.
 */
export class WaitEnds {
  private readonly clock: Clock;
  private readonly groups = new Map<number, Group>();
  private waiting = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Calls `end` after `ms` milliseconds, a long wait up to 200 ms sooner. Answers what cancels it. */
  add(ms: number, end: () => void): () => void {
    const nowMs = this.clock.monotonicMs();
    const gridMs = ms < LONG_MS ? 1 : this.gridMs();
    const atMs = Math.floor((nowMs + ms) / gridMs) * gridMs;
    const group = this.groups.get(atMs) ?? this.open(atMs, nowMs);
    group.ends.add(end);
    this.waiting += 1;
    return () => {
      if (!group.ends.delete(end)) return;
      this.waiting -= 1;
      if (group.ends.size > 0) return;
      if (this.groups.get(atMs) === group) this.groups.delete(atMs);
      group.empty.abort();
    };
  }

  /** Widths are multiples of each other, so that ends of either fall together. */
  private gridMs(): number {
    let gridMs = GRID_MS;
    for (let few = FEW; this.waiting >= 2 * few && gridMs < GRID_MS_MAX; few *= 2) gridMs *= 2;
    return gridMs;
  }

  private open(atMs: number, nowMs: number): Group {
    const group: Group = { ends: new Set(), empty: new AbortController() };
    this.groups.set(atMs, group);
    const ring = () => {
      this.groups.delete(atMs);
      const ends = [...group.ends];
      // Who cancels what has just ended finds nothing to end any more.
      group.ends.clear();
      this.waiting -= ends.length;
      for (const end of ends) end();
    };
    // Aborted when nobody waits for it any more.
    sleep(Math.max(atMs - nowMs, 0), group.empty.signal).then(ring, () => undefined);
    return group;
  }
}
