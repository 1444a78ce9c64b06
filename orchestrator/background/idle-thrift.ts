import { performance } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Pass } from './pass.ts';

/** Above this share of the event loop's time a replica counts as busy. */
const BUSY = 0.4;
/** With fewer calls that wait there is little to spare, and collections are in the way of submissions. */
const WAITING_MIN = 2000;
/** How far the heap may grow between full collections while idle, percent. */
const THRIFTY_PERCENT = 20;
/** The young generation grows no further while idle, bytes. */
const YOUNG_BYTES = 6 * 1024 * 1024;

/**
 * Keeps an idle replica small. Thousands of idle nodes hold a waiting call each; what those leave
 * behind lives just long enough to reach the old generation, which V8 would let double, through a young
 * one of a hundred megabytes. When load ends, all is collected once; while so many calls wait idly, V8
 * collects before the heap has grown by a fifth. Under load that would cost a third of the throughput.
 */
export function idleThriftPass(waitingCalls: () => number): Pass {
  let before = performance.eventLoopUtilization();
  let wasBusy = true;
  return {
    name: 'idle-thrift',
    periodMs: 5000,
    async runOnce() {
      const now = performance.eventLoopUtilization();
      const isBusy = performance.eventLoopUtilization(now, before).utilization > BUSY;
      before = now;
      const isThrifty = !isBusy && waitingCalls() >= WAITING_MIN;
      setFlagsFromString(`--heap-growing-percent=${isThrifty ? THRIFTY_PERCENT : 0}`);
      if (wasBusy && !isBusy) await collect();
      const mayGrow = !isThrifty || youngBytes() < YOUNG_BYTES;
      setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? 2 : 1}`);
      wasBusy = isBusy;
    },
  };
}

const youngBytes = (): number =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0;

/** A full collection that gives memory back, when the event loop is free for it. */
async function collect(): Promise<void> {
  setFlagsFromString('--expose-gc');
  await runInNewContext('gc({ type: "major", execution: "async", flavor: "last-resort" })');
}
