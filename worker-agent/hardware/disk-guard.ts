import { statfs } from 'node:fs/promises';
import { type Clock, sleep } from '@karst/shared/clock.ts';

const lookEveryMs = 5000;
const mebibyte = 1024 * 1024;

/** Watches the free space where sessions and the cache live. */
export class DiskGuard {
  readonly #dir: string;
  readonly #freeMibMin: number;
  readonly #clock: Clock;
  #freeMib = Number.POSITIVE_INFINITY;
  /** A write failed for want of space: free space must come back before work is taken again. */
  #sawFullAtMs: number | undefined;

  constructor(dir: string, freeMibMin: number, clock: Clock) {
    this.#dir = dir;
    this.#freeMibMin = freeMibMin;
    this.#clock = clock;
  }

  /** Whether the node should take no work now. */
  get full(): boolean {
    return this.#freeMib < this.#freeMibMin || this.#sawFullAtMs !== undefined;
  }

  get message(): string {
    const free = `${Math.floor(this.#freeMib)} MiB free in the agent's directory`;
    return this.#freeMib < this.#freeMibMin
      ? `disk full: ${free}, needs ${this.#freeMibMin} MiB`
      : `disk full: a write failed, now ${free}`;
  }

  /** A write failed with ENOSPC. */
  sawFull(): void {
    this.#sawFullAtMs = this.#clock.monotonicMs();
  }

  /** Looks now. */
  async isFull(): Promise<boolean> {
    const { bavail, bsize } = await statfs(this.#dir);
    this.#freeMib = (bavail * bsize) / mebibyte;
    const sawFullMs = this.#clock.monotonicMs() - (this.#sawFullAtMs ?? 0);
    if (this.#freeMib >= this.#freeMibMin && sawFullMs > lookEveryMs) this.#sawFullAtMs = undefined;
    return this.full;
  }

  /** Looks periodically and calls `changed` when the answer changed. */
  async watch(changed: () => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const before = this.full;
      if ((await this.isFull()) !== before) changed();
      await sleep(lookEveryMs, signal).catch(() => undefined);
    }
  }
}
