import { join } from 'node:path';
import type { Random } from '@karst/shared/random.ts';
import { err, ok, type Result } from '@karst/shared/result.ts';
import type { Logger } from 'pino';
import type { Connections } from '../http/exchange.ts';
import type { InputDownload } from '../http/orchestrator-client.ts';
import { Download } from './download.ts';
import type { FetchFailure } from './fetch-failure.ts';
import type { FileHasher } from './file-hasher.ts';
import { TransferGate } from './transfer-gate.ts';

export interface FetcherParts {
  connections: Connections;
  hasher: FileHasher;
  random: Random;
  logger: Logger;
  /** Called when a download has begun, which takes room. */
  grows(): void;
  /** Takes a file that has come, whole and right, at `path`. */
  landed(input: InputDownload, path: string): Promise<void>;
}

/** A download under way, and those who wait for it. */
interface Flight {
  landed: Promise<Result<null, FetchFailure>>;
  waiters: number;
  /** Whether a lease waits for it. */
  how: { isUrgent: boolean };
  stop: AbortController;
}

/** Downloads that broke off and are kept to go on. */
const brokenOffMax = 8;

/** Downloads into `<cache>/incoming`: one for each content, shared by all who wait for it. */
export class AssetFetcher {
  readonly #dir: string;
  readonly #parts: FetcherParts;
  readonly #gate = new TransferGate();
  readonly #flights = new Map<string, Flight>();
  /** Oldest first. */
  readonly #brokenOff = new Map<string, Download>();
  #sizeBytes = 0;

  constructor(dir: string, parts: FetcherParts) {
    this.#dir = dir;
    this.#parts = parts;
  }

  /** Of downloads under way, and of those that broke off and may go on: their whole sizes. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  stop(): void {
    for (const { stop } of this.#flights.values()) stop.abort();
  }

  /**
   * Resolves when the content has landed, or failed to; or when `signal` aborts: the download goes on
   * while others wait for it. Throws when the disk fails.
   */
  async fetch(
    input: InputDownload,
    isUrgent: boolean,
    signal: AbortSignal,
  ): Promise<Result<null, FetchFailure>> {
    const flight = this.#flights.get(input.sha256) ?? this.#fly(input, isUrgent);
    flight.waiters += 1;
    if (isUrgent && !flight.how.isUrgent) {
      flight.how.isUrgent = true;
      this.#gate.reconsider();
    }
    let leave: () => void = () => undefined;
    const left = new Promise<'left'>((resolve) => {
      leave = () => resolve('left');
    });
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    try {
      const outcome = await Promise.race([flight.landed, left]);
      if (outcome !== 'left') return outcome;
      return err({ passing: true, message: `${input.path}: no longer wanted` });
    } finally {
      signal.removeEventListener('abort', leave);
      flight.waiters -= 1;
      if (flight.waiters === 0) flight.stop.abort();
    }
  }

  #fly(input: InputDownload, isUrgent: boolean): Flight {
    const how = { isUrgent };
    const stop = new AbortController();
    const landed = this.#download(input, () => how.isUrgent, stop.signal).finally(() =>
      this.#flights.delete(input.sha256),
    );
    const flight: Flight = { landed, waiters: 0, how, stop };
    // Who waited may have left before it failed.
    landed.catch(() => undefined);
    this.#flights.set(input.sha256, flight);
    return flight;
  }

  async #download(
    input: InputDownload,
    isUrgent: () => boolean,
    signal: AbortSignal,
  ): Promise<Result<null, FetchFailure>> {
    const { sha256 } = input;
    const download = this.#begun(input);
    this.#parts.grows();
    let keeps = false;
    try {
      const done = await download.attempt(input, isUrgent, signal);
      if (!done.ok) {
        keeps = done.error.passing;
        return done;
      }
      await this.#parts.landed(input, download.path);
      return ok(null);
    } finally {
      if (keeps) this.#keepForLater(sha256, download);
      else this.#sizeBytes -= download.sizeBytes;
    }
  }

  /** One that broke off, or a new one. */
  #begun(input: InputDownload): Download {
    const former = this.#brokenOff.get(input.sha256);
    this.#brokenOff.delete(input.sha256);
    if (former !== undefined) return former;
    this.#sizeBytes += input.sizeBytes;
    const path = join(this.#dir, this.#parts.random.uuid());
    return new Download(input, path, { ...this.#parts, gate: this.#gate });
  }

  #keepForLater(sha256: string, download: Download): void {
    this.#brokenOff.set(sha256, download);
    const [oldest] = this.#brokenOff;
    if (this.#brokenOff.size <= brokenOffMax || oldest === undefined) return;
    const [name, forgotten] = oldest;
    this.#brokenOff.delete(name);
    this.#sizeBytes -= forgotten.sizeBytes;
    forgotten.discard().catch((error: unknown) => {
      this.#parts.logger.warn({ error }, 'a broken-off download was left');
    });
  }
}
