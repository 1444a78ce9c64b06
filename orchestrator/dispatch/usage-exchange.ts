import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { Logger } from 'pino';
import type { RunnableStep } from '../dispatch/runnable-steps.ts';
import type { Budgets } from '../scheduler/budgets.ts';
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
 * of it within a fraction of a second, and Redis keeps it. Fair share bears that: it is a tendency, not
 * a ceiling. Ceilings are the ledger's. Budgets bear it too: what runs when one is spent goes on anyway.
 */
export class UsageExchange {
  private readonly scheduler: Scheduler<RunnableStep>;
  private readonly budgets: Budgets;
  private readonly opened: () => void;
  private readonly store: UsageStore;
  private readonly bus: WakeBus;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly stop = new AbortController();
  private pending = new Map<string, Sum>();
  private gathering: Promise<void> | undefined;
  /** By account: charges that Redis may not have. */
  private unkept = new Map<string, number>();
  private sending: ReadonlyMap<string, number> = new Map();
  /** The count of changes of what was read last; undefined: charges of others were heard since. */
  private readAt: number | undefined;

  /** `opened`: steps that waited behind a budget may be granted. */
  constructor(parts: {
    scheduler: Scheduler<RunnableStep>;
    budgets: Budgets;
    opened: () => void;
    usageStore: UsageStore;
    bus: WakeBus;
    clock: Clock;
    logger: Logger;
  }) {
    this.scheduler = parts.scheduler;
    this.budgets = parts.budgets;
    this.opened = parts.opened;
    this.store = parts.usageStore;
    this.bus = parts.bus;
    this.clock = parts.clock;
    this.logger = parts.logger;
  }

  /** What was used before this replica started. */
  async load(): Promise<void> {
    for (const { account, usage, atMs } of await this.store.all()) {
      this.scheduler.shares.setUsage(this.scheduler.shares.account(account), usage, atMs);
    }
    await this.readSpent();
  }

  /** Budgets by account, core-hours; puts them into force here. */
  setBudgets(coreHours: ReadonlyMap<string, number>): void {
    this.moveGates(this.budgets.setBudgets(coreHours));
  }

  /**
   * Mends what lost messages left wrong. `changes`: as Redis counts them; where this replica knows them
   * all, nothing is read. A charge heard just after the reading counts twice until the next.
   */
  async reread(changes: number): Promise<void> {
    // Redis was away when they were sent, and nothing was charged since.
    if (this.unkept.size > 0) this.gathering ??= this.tellSoon();
    if (changes === this.readAt) return;
    this.readAt = changes;
    await this.readSpent().catch((error: Error) => {
      this.readAt = undefined;
      throw error;
    });
  }

  /** Charges `cost` core-seconds (negative: gives back) and counts `leases` more. */
  move(studio: string, project: string, cost: number, leases: number): void {
    this.count({ studio, project, cost, leases }, this.clock.nowMs());
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
    for (const charge of charges) this.count(charge, nowMs);
    this.readAt = undefined;
  }

  async close(): Promise<void> {
    this.stop.abort();
    await this.gathering;
  }

  private count({ studio, project, cost, leases }: Sum, nowMs: number): void {
    const owner = { studio, project };
    this.scheduler.account(owner, cost, leases, nowMs);
    if (cost === 0) return;
    this.budgets.spend(owner, cost);
    this.moveGates(this.budgets.gatesOf(owner));
  }

  private moveGates(gates: readonly string[]): void {
    const { ranking } = this.scheduler;
    let isAnyOpened = false;
    for (const gate of gates) {
      if (this.budgets.closes(gate)) ranking.close(gate);
      else if (ranking.open(gate)) isAnyOpened = true;
    }
    if (isAnyOpened) this.opened();
  }

  private async readSpent(): Promise<void> {
    const totals = await this.store.spent();
    if (totals === undefined) return;
    // Redis answers in order: what it has not acknowledged by now is not in its totals.
    for (const charges of [this.unkept, this.sending, byAccount(this.pending.values())]) {
      addTo(totals, charges);
    }
    this.budgets.setSpent(totals);
    this.moveGates(this.budgets.gates());
  }

  private async tellSoon(): Promise<void> {
    do {
      await sleep(GATHER_MS, this.stop.signal).catch(() => undefined);
      await this.tell();
    } while (this.pending.size > 0);
    this.gathering = undefined;
  }

  private async tell(): Promise<void> {
    const charges = [...this.pending.values()];
    this.pending = new Map();
    if (charges.length > 0) this.bus.tellOthers({ kind: 'usage', charges });
    const sending = addTo(this.unkept, byAccount(charges));
    this.sending = sending;
    this.unkept = new Map();
    try {
      await this.store.charge(sending, this.clock.nowMs());
    } catch (error) {
      this.logger.warn({ err: String(error) }, 'usage not kept; it is charged again with the next');
      addTo(this.unkept, sending);
    }
    this.sending = new Map();
  }
}

function byAccount(charges: Iterable<Sum>): Map<string, number> {
  const accounts = new Map<string, number>();
  for (const { studio, project, cost } of charges) {
    accounts.set(studio, (accounts.get(studio) ?? 0) + cost);
    accounts.set(`${studio}/${project}`, cost);
  }
  return accounts;
}

function addTo(
  sums: Map<string, number>,
  charges: ReadonlyMap<string, number>,
): Map<string, number> {
  for (const [account, cost] of charges) sums.set(account, (sums.get(account) ?? 0) + cost);
  return sums;
}
