import { setTimeout as pause } from 'node:timers/promises';

/** Looks until `check` gives something truthy; fails loudly, with the last error, after `withinMs`. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | false | undefined | null> | T | false | undefined | null,
  withinMs = 30_000,
): Promise<T> {
  const startedMs = performance.now();
  let last: unknown;
  for (;;) {
    try {
      const found = await check();
      if (found) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() - startedMs > withinMs) {
      throw new Error(`not within ${withinMs} ms: ${what}`, { cause: last });
    }
    await pause(20);
  }
}
