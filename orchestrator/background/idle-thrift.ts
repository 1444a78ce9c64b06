import { performance } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '@karst/shared/clock.ts';
import type { Pass } from './pass.ts';

/** Above this share of the event loop's time a replica counts as busy. */
const BUSY = 0.4;
/** Load is judged over this long, ms. */
const LOAD_WINDOW_MS = 5000;
/** A full collection stands in the way of every call for up to a second: one in this time at most, ms. */
const COLLECT_PERIOD_MS = 60_000;
/** With fewer calls that wait there is little to spare, and collections are in the way of submissions. */
const WAITING_MIN = 2000;
/** How far the heap may grow between full collections while idle, percent. */
const THRIFTY_PERCENT = 20;
/** The young generation grows no further while idle, bytes. */
const YOUNG_BYTES = 12 * 1024 * 1024;

/**
 * Keeps an idle replica small. Thousands of idle nodes hold a waiting call each; what those leave
 * behind lives just long enough to reach the old generation, which V8 would let double, through a young
 * one of a hundred megabytes. When load ends, all is collected once; while so many calls wait idly, V8
 * collects before the heap has grown by a fifth. Under load that would cost a third of the throughput,
 * and a young generation kept small a tenth.
 */
export function idleThriftPass(waitingCalls: () => number, clock: Clock): Pass {
  const load = new Load(clock);
  let collectedMs = Number.NEGATIVE_INFINITY;
  let mustCollect = true;
  return {
    name: 'idle-thrift',
    // The young generation doubles within a second or two.
    periodMs: 1000,
    async runOnce() {
      const isBusy = load.isBusy();
      if (isBusy) mustCollect = true;
      const isThrifty = !isBusy && waitingCalls() >= WAITING_MIN;
      setFlagsFromString(`--heap-growing-percent=${isThrifty ? THRIFTY_PERCENT : 0}`);
      if (mustCollect && !isBusy && clock.monotonicMs() - collectedMs >= COLLECT_PERIOD_MS) {
        await collect();
        collectedMs = clock.monotonicMs();
        mustCollect = false;
      }
      const mayGrow = isBusy || youngBytes() < YOUNG_BYTES;
      setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? 2 : 1}`);
    },
  };
}

/** Whether the event loop was busy over the last whole window. */
class Load {
  private readonly clock: Clock;
  private before = performance.eventLoopUtilization();
  private sinceMs: number;
  private wasBusy = true;

  constructor(clock: Clock) {
    this.clock = clock;
    this.sinceMs = clock.monotonicMs();
  }

  isBusy(): boolean {
    const nowMs = this.clock.monotonicMs();
    if (nowMs - this.sinceMs < LOAD_WINDOW_MS) return this.wasBusy;
    const now = performance.eventLoopUtilization();
    this.wasBusy = performance.eventLoopUtilization(now, this.before).utilization > BUSY;
    this.before = now;
    this.sinceMs = nowMs;
    return this.wasBusy;
  }
}

const youngBytes = (): number =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0;

/** A full collection that gives memory back, when the event loop is free for it. */
async function collect(): Promise<void> {
  setFlagsFromString('--expose-gc');
  await runInNewContext('gc({ type: "major", execution: "async", flavor: "last-resort" })');
}
