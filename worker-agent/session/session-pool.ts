import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { Logger } from 'pino';
import { type LiveSession, quietUntil } from './live-session.ts';
import type { SessionKey } from './session-key.ts';

export interface PoolOptions {
  /** Sessions at once, idle ones and those that are being ended included. */
  slots: number;
  /** An idle session is ended after this long. 0: none is kept. */
  idleMs: number;
  clock: Clock;
  logger: Logger;
}

interface Idle {
  key: SessionKey;
  live: LiveSession;
  sinceMs: number;
}

/**
 * The sessions of one agent. A session is kept for a while after a lease, for the next lease of its
 * job in the same surroundings: its inputs are there and its applications are loaded. Every open
 * session counts as a slot; an idle one is ended when a lease that can't use it needs its slot.
 */
export class SessionPool {
  readonly #options: PoolOptions;
  /** Longest idle first. */
  readonly #idle: Idle[] = [];
  readonly #ending = new Set<Promise<void>>();
  readonly #over = new AbortController();
  #kill = new AbortController();
  #busy = 0;
  #expiring = false;
  #keeping = true;
  #onFreed: () => void = () => undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Nothing is open, kept or being ended. */
  get isEmpty(): boolean {
    return this.#busy + this.#idle.length + this.#ending.size === 0;
  }

  /** Told when a session has ended that no lease waits for. */
  onFreed(listener: () => void): void {
    this.#onFreed = listener;
  }

  /**
   * For a lease: resolves to a session kept for its like, best one that ran the step before, or, once
   * there is room for one, to nothing. Each call is followed by one of leave().
   */
  async enter(key: SessionKey, step: number): Promise<LiveSession | undefined> {
    this.#busy += 1;
    const fitting = this.#idle.filter((idle) => areEqual(idle.key, key));
    const kept = fitting.find(({ live }) => live.session.step === step) ?? fitting[0];
    if (kept !== undefined) this.#idle.splice(this.#idle.indexOf(kept), 1);
    if (kept !== undefined) return kept.live;
    while (this.#busy + this.#idle.length + this.#ending.size > this.#options.slots) {
      const oldest = this.#idle.shift();
      if (oldest !== undefined) this.#endAside(oldest.live);
      if (this.#ending.size === 0) break;
      await Promise.race(this.#ending);
    }
    return undefined;
  }

  /** A lease is over. A session that it gives back sound is kept, if any are. */
  leave(key: SessionKey, live: LiveSession | undefined): void {
    this.#busy -= 1;
    if (live === undefined) return;
    const { idleMs, clock } = this.#options;
    if (!live.sound || !this.#keeping || idleMs === 0) {
      this.#endAside(live);
      return;
    }
    this.#idle.push({ key, live, sinceMs: clock.monotonicMs() });
    if (!this.#expiring) void this.#expire();
  }

  /**
   * Ends a session within its lease: exits its environments, or with `exits` false only kills. `kill`
   * cuts that short.
   */
  async end(live: LiveSession, exits: boolean, kill?: AbortSignal): Promise<void> {
    const { logger } = this.#options;
    const all = this.#kill.signal;
    const signal = kill === undefined ? all : AbortSignal.any([all, kill]);
    try {
      const failures = await live.end(exits, quietUntil(signal));
      for (const failure of failures) logger.warn({ failure }, 'an environment was not left well');
    } catch (error) {
      // What can't be removed is removed at the next start.
      logger.warn({ error, dir: live.session.dir }, 'session left');
    }
  }

  /** Whether sessions are kept from here on; those that are idle are ended when not. */
  keep(keeping: boolean): void {
    this.#keeping = keeping;
    if (!keeping) this.endIdle(() => true);
  }

  /** Ends idle sessions of a job: it was canceled, or is over. */
  endJob(jobId: JobId): void {
    this.endIdle(({ key }) => key.jobId === jobId);
  }

  endIdle(which: (idle: Idle) => boolean): void {
    const chosen = this.#idle.filter(which);
    for (const idle of chosen) {
      this.#idle.splice(this.#idle.indexOf(idle), 1);
      this.#endAside(idle.live);
    }
  }

  /** Kills everything that runs in sessions no lease holds; their environments are not exited. */
  kill(): void {
    this.#kill.abort();
    this.endIdle(() => true);
    this.#kill = new AbortController();
  }

  /** Ends every idle session and waits until none is open. */
  async close(): Promise<void> {
    this.keep(false);
    this.#over.abort();
    while (this.#ending.size > 0) await Promise.all(this.#ending);
  }

  #endAside(live: LiveSession): void {
    const ended = this.end(live, !this.#kill.signal.aborted).then(() => {
      this.#ending.delete(ended);
      this.#onFreed();
    });
    this.#ending.add(ended);
  }

  async #expire(): Promise<void> {
    const { idleMs, clock } = this.#options;
    this.#expiring = true;
    for (let first = this.#idle[0]; first !== undefined; first = this.#idle[0]) {
      const leftMs = first.sinceMs + idleMs - clock.monotonicMs();
      if (leftMs <= 0) {
        this.#idle.shift();
        this.#endAside(first.live);
        continue;
      }
      await sleep(leftMs, this.#over.signal).catch(() => undefined);
      if (this.#over.signal.aborted) break;
    }
    this.#expiring = false;
  }
}

const areEqual = (one: SessionKey, other: SessionKey): boolean =>
  one.jobId === other.jobId && one.surroundings === other.surroundings;
