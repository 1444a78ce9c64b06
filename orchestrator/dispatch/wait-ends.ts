import { type Clock, sleep } from '@karst/shared/clock.ts';

/** Waits of a second and more end on this grid, ms: thousands of idle nodes are answered in groups. */
const GRID_MS = 200;
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

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Calls `end` after `ms` milliseconds, a long wait up to 200 ms sooner. Answers what cancels it. */
  add(ms: number, end: () => void): () => void {
    const nowMs = this.clock.monotonicMs();
    const gridMs = ms < LONG_MS ? 1 : GRID_MS;
    const atMs = Math.floor((nowMs + ms) / gridMs) * gridMs;
    const group = this.groups.get(atMs) ?? this.open(atMs, nowMs);
    group.ends.add(end);
    return () => {
      if (!group.ends.delete(end) || group.ends.size > 0) return;
      if (this.groups.get(atMs) === group) this.groups.delete(atMs);
      group.empty.abort();
    };
  }

  private open(atMs: number, nowMs: number): Group {
    const group: Group = { ends: new Set(), empty: new AbortController() };
    this.groups.set(atMs, group);
    const ring = () => {
      this.groups.delete(atMs);
      const ends = [...group.ends];
      // Who cancels what has just ended finds nothing to end any more.
      group.ends.clear();
      for (const end of ends) end();
    };
    // Aborted when nobody waits for it any more.
    sleep(Math.max(atMs - nowMs, 0), group.empty.signal).then(ring, () => undefined);
    return group;
  }
}
