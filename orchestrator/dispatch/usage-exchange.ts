import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { Logger } from 'pino';
import type { RunnableStep } from '../dispatch/runnable-steps.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { UsageStore } from '../store/usage-store.ts';
import type { Wake, WakeBus } from './wake-bus.ts';

/** How long charges are gathered before they are told, ms. */
const GATHER_MS = 200;

interface Sum {
  studio: string;
  project: string;
  cost: number;
  leases: number;
}

/**
 * Keeps the replicas' idea of who used how much in step. A charge counts here at once; the others hear
 * of it within a fraction of a second, and storage keeps it. Fair share bears that: it is a tendency,
 * not a ceiling. Ceilings are the ledger's.
 */
export class UsageExchange {
  private readonly scheduler: Scheduler<RunnableStep>;
  private readonly store: UsageStore;
  private readonly bus: WakeBus;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly stop = new AbortController();
  private pending = new Map<string, Sum>();
  private gathering: Promise<void> | undefined;

  constructor(parts: {
    scheduler: Scheduler<RunnableStep>;
    usage: UsageStore;
    bus: WakeBus;
    clock: Clock;
    logger: Logger;
  }) {
    this.scheduler = parts.scheduler;
    this.store = parts.usage;
    this.bus = parts.bus;
    this.clock = parts.clock;
    this.logger = parts.logger;
  }

  /** What was used before this replica started. */
  async load(): Promise<void> {
    for (const { account, usage, atMs } of await this.store.all()) {
      this.scheduler.shares.setUsage(this.scheduler.shares.account(account), usage, atMs);
    }
  }

  /** Charges `cost` core-seconds (negative: gives back) and counts `leases` more. */
  move(studio: string, project: string, cost: number, leases: number): void {
    this.scheduler.account({ studio, project }, cost, leases, this.clock.nowMs());
    const name = `${studio}/${project}`;
    const sum = this.pending.get(name);
    if (sum === undefined) this.pending.set(name, { studio, project, cost, leases });
    else {
      sum.cost += cost;
      sum.leases += leases;
    }
    this.gathering ??= this.tellSoon();
  }

  /** Another replica's charges. */
  receive({ charges }: Extract<Wake, { kind: 'usage' }>): void {
    const nowMs = this.clock.nowMs();
    for (const { studio, project, cost, leases } of charges) {
      this.scheduler.account({ studio, project }, cost, leases, nowMs);
    }
  }

  async close(): Promise<void> {
    this.stop.abort();
    await this.gathering;
  }

  private async tellSoon(): Promise<void> {
    await sleep(GATHER_MS, this.stop.signal).catch(() => undefined);
    this.gathering = undefined;
    const charges = [...this.pending.values()];
    this.pending = new Map();
    this.bus.tellOthers({ kind: 'usage', charges });
    const accounts = new Map<string, number>();
    for (const { studio, project, cost } of charges) {
      accounts.set(studio, (accounts.get(studio) ?? 0) + cost);
      accounts.set(`${studio}/${project}`, cost);
    }
    await this.store.charge(accounts, this.clock.nowMs()).catch((error: Error) => {
      this.logger.warn({ err: error.message }, 'usage not kept; it counts until this replica ends');
    });
  }
}
