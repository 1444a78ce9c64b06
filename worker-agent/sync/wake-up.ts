import { sleep } from '@karst/shared/clock.ts';

/** A flag that can be waited for. */
export class WakeUp {
  #set = false;
  readonly #waiting = new Set<() => void>();

  get isSet(): boolean {
    return this.#set;
  }

  set(): void {
    this.#set = true;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  clear(): void {
    this.#set = false;
  }

  /** Resolves when it is set, at once if it is; forgets about it when `over` aborts. */
  whenSet(over: AbortSignal): Promise<void> {
    if (this.#set) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.add(resolve);
      over.addEventListener('abort', () => this.#waiting.delete(resolve), { once: true });
    });
  }

  /** Resolves when it is set or `ms` have passed. */
  async within(ms: number): Promise<void> {
    const over = new AbortController();
    const passed = sleep(ms, over.signal).catch(() => undefined);
    await Promise.race([this.whenSet(over.signal), passed]);
    over.abort();
  }
}
