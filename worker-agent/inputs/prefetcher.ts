import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { PrefetchHint } from '@karst/shared/protocol/node.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Logger } from 'pino';
import { Backoff } from '../http/backoff.ts';
import type { InputDownload, OrchestratorClient } from '../http/orchestrator-client.ts';
import { persist } from '../http/persist.ts';
import type { AssetCache } from './asset-cache.ts';
import type { WarmJobs } from './warm-jobs.ts';

export interface PrefetcherParts {
  client: OrchestratorClient;
  cache: AssetCache;
  warm: WarmJobs;
  random: Random;
  clock: Clock;
  logger: Logger;
}

const filesAtOnce = 4;
/** Then the lease itself may try. */
const triesMax = 5;

/**
 * Fetches the inputs of what the node likely gets next into the cache while something else runs. At
 * most half of the cache: the other half, what was used last, stays. Downloads step aside for those
 * that leases wait for (TransferGate), and end when something else is likelier; what has come is kept.
 */
export class Prefetcher {
  readonly #parts: PrefetcherParts;
  #aim: { name: string; stop: AbortController } | undefined;

  constructor(parts: PrefetcherParts) {
    this.#parts = parts;
  }

  /** What the node likely gets next; undefined: nothing that is known. */
  aim(hint: PrefetchHint | undefined): void {
    const name = hint === undefined ? undefined : `${hint.jobId} ${hint.step}`;
    if (this.#aim?.name === name) return;
    this.#aim?.stop.abort();
    this.#aim = undefined;
    if (hint === undefined || name === undefined) return;
    const stop = new AbortController();
    this.#aim = { name, stop };
    this.#fetchAll(hint, stop.signal).catch((error: unknown) => {
      // The disk: the lease that meets it says so.
      this.#parts.logger.warn({ error }, 'inputs not fetched ahead');
    });
  }

  async #fetchAll(hint: PrefetchHint, ended: AbortSignal): Promise<void> {
    const { client, cache, warm, random } = this.#parts;
    let leftBytes = cache.bytesMax / 2;
    let sizeBytes = 0;
    let cursor: string | undefined;
    do {
      const at = cursor;
      const list = () => persist(() => client.prefetchInputs(hint, at, ended), random, ended);
      const page = await list();
      if (!page.ok) return;
      for (const input of page.value.items) sizeBytes += input.sizeBytes;
      const fitting = page.value.items.filter((input) => {
        leftBytes -= input.sizeBytes;
        return leftBytes >= 0;
      });
      const isWhole = await this.#fetchPage(fitting, ended, async () => {
        const again = await list();
        return again.ok ? again.value.items : [];
      });
      if (!isWhole || leftBytes < 0) return;
      cursor = page.value.nextCursor;
    } while (cursor !== undefined);
    warm.used(hint.jobId, sizeBytes);
  }

  /** Answers whether all of it is there. */
  async #fetchPage(
    inputs: readonly InputDownload[],
    ended: AbortSignal,
    listAgain: () => Promise<readonly InputDownload[]>,
  ): Promise<boolean> {
    const backoff = new Backoff(this.#parts.random, 200);
    let left = inputs;
    for (let tries = 1; ; tries++) {
      const failed = await this.#fetchSome(left, ended);
      if (failed.size === 0) return true;
      if (tries === triesMax || ended.aborted) return false;
      await sleep(backoff.nextMs(10_000), ended).catch(() => undefined);
      left = (await listAgain()).filter(({ sha256 }) => failed.has(sha256));
      if (left.length === 0) return false;
    }
  }

  async #fetchSome(inputs: readonly InputDownload[], ended: AbortSignal): Promise<Set<string>> {
    const waiting = [...inputs];
    const failed = new Set<string>();
    const lane = async () => {
      for (let input = waiting.shift(); input !== undefined; input = waiting.shift()) {
        if (ended.aborted) failed.add(input.sha256);
        else if (!(await this.#parts.cache.prefetch(input, ended)).ok) failed.add(input.sha256);
      }
    };
    await Promise.all(Array.from({ length: filesAtOnce }, lane));
    return failed;
  }
}
