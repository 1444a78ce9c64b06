import type { Clock } from '@karst/shared/clock.ts';
import type { LeaseId, NodeId } from '@karst/shared/protocol/ids.ts';
import type { Budgets } from '../scheduler/budgets.ts';
import { entryCost, leaseCost } from '../scheduler/cost.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { Acquired, Ledger } from '../store/ledger.ts';
import type { NodeStore } from '../store/node-store.ts';
import type { RunnableStep } from './runnable-steps.ts';
import type { UsageExchange } from './usage-exchange.ts';
import type { WakeBus } from './wake-bus.ts';

/** What was charged ahead of a grant. */
export interface Expected {
  readonly cost: number;
  readonly leases: number;
}

/**
 * Where leases are counted and paid for: the farm's ledger with its ceilings, and the shares. Every
 * lease passes here twice, before it is granted and after it has ended.
 */
export class LeaseAccounts {
  private readonly nodes: NodeStore;
  private readonly ledger: Ledger;
  private readonly scheduler: Scheduler<RunnableStep>;
  private readonly usage: UsageExchange;
  private readonly budgets: Budgets;
  private readonly bus: WakeBus;
  private readonly clock: Clock;

  constructor(parts: {
    nodes: NodeStore;
    ledger: Ledger;
    scheduler: Scheduler<RunnableStep>;
    usage: UsageExchange;
    budgets: Budgets;
    bus: WakeBus;
    clock: Clock;
  }) {
    this.nodes = parts.nodes;
    this.ledger = parts.ledger;
    this.scheduler = parts.scheduler;
    this.usage = parts.usage;
    this.budgets = parts.budgets;
    this.bus = parts.bus;
    this.clock = parts.clock;
  }

  /** Charges leases that may be granted soon, here alone; forget() takes back what it answers. */
  expect(step: RunnableStep, leases: number): Expected {
    const cost = leases * entryCost(step);
    this.scheduler.account(step, cost, leases, this.clock.nowMs());
    return { cost, leases };
  }

  forget(step: RunnableStep, { cost, leases }: Expected): void {
    this.scheduler.account(step, -cost, -leases, this.clock.nowMs());
  }

  /** Counts leases about to be granted; a counter found full keeps its steps out of sight. */
  async acquire(
    nodeId: NodeId,
    step: RunnableStep,
    leaseIds: readonly LeaseId[],
  ): Promise<Acquired> {
    const { studio, project, shape } = step;
    const held = {
      node: nodeId,
      studio,
      project,
      cost: entryCost(step),
      rate: leaseCost(shape.demand, 1000),
      grantedAtMs: this.clock.nowMs(),
    };
    // The step was chosen before the call took its spans: others may have spent the budget since.
    const most = this.budgets.leasesLeft(step, held.cost);
    if (most === 0) return { count: 0, full: undefined };
    const acquired = await this.ledger.acquire(leaseIds.slice(0, most), held, step.counters);
    if (acquired.count > 0) {
      step.servedAtMs = held.grantedAtMs;
      this.usage.move(studio, project, acquired.count * held.cost, acquired.count);
    }
    if (acquired.full !== undefined && step.gates.includes(acquired.full.name)) {
      this.scheduler.ranking.close(acquired.full.name);
      // Room may have been made between the ledger's answer and the closing.
      if (!(await this.ledger.isFull(acquired.full.name))) this.open([acquired.full.name]);
    }
    return acquired;
  }

  /**
   * Leases of a node are over: they leave its list and the ledger, and what they were charged is made
   * what they took. Harmless when repeated. `void`: they never ran, and cost nothing.
   */
  async release(nodeId: NodeId, leaseIds: readonly LeaseId[], isVoid = false): Promise<void> {
    if (leaseIds.length === 0) return;
    await this.nodes.release(nodeId, leaseIds);
    await this.settle(leaseIds, isVoid);
  }

  /** Ends the counting of leases that stand on no node's list. */
  async settle(leaseIds: readonly LeaseId[], isVoid = false): Promise<void> {
    if (leaseIds.length === 0) return;
    const { opened, ended } = await this.ledger.release(leaseIds);
    const nowMs = this.clock.nowMs();
    for (const { held } of ended) {
      const tookMs = isVoid ? 0 : Math.max(0, nowMs - held.grantedAtMs);
      const correction = (held.rate * tookMs) / 1000 - held.cost;
      this.usage.move(held.studio, held.project, correction, -1);
    }
    if (opened.length > 0) this.bus.send({ kind: 'gates', names: opened });
  }

  /**
   * Counters have room again; answers whether a step waited for that. A budget's gate opens only if the
   * budget is not spent.
   */
  open(names: readonly string[]): boolean {
    const woken = names
      .filter((name) => !this.budgets.closes(name))
      .map((name) => this.scheduler.ranking.open(name));
    return woken.includes(true);
  }
}
