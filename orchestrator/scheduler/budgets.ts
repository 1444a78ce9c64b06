import type { SpentBudget } from '@karst/shared/protocol/explain.ts';

export const CORE_SECONDS_PER_CORE_HOUR = 3600;

/** Whose budgets a lease is charged to. */
interface Owner {
  readonly studio: string;
  readonly project: string;
}

const GATE = 'budget:';
const gateOf = (account: string): string => `${GATE}${account}`;
const accountsOf = ({ studio, project }: Owner) => [studio, `${studio}/${project}`] as const;

/** The gates that close in front of a step when its studio's, or its project's, budget is spent. */
export const budgetGates = (owner: Owner): string[] => accountsOf(owner).map(gateOf);

/**
 * What studios and projects ever used, in core-seconds (a GPU counts as 16 cores), against what they
 * may. Accounts are named `STUDIO` or `STUDIO/PROJECT`. Unlike the usage that ranks them it never
 * decays. It may be below 0 for a moment: a correction of one replica's may come before the charge of
 * another that it corrects.
 */
export class Budgets {
  private spent = new Map<string, number>();
  private budgets: ReadonlyMap<string, number> = new Map();

  /** Core-seconds, >= 0. */
  spentBy(account: string): number {
    return Math.max(0, this.spent.get(account) ?? 0);
  }

  /** Charges both accounts of an owner, or with a negative cost gives back. */
  spend(owner: Owner, cost: number): void {
    for (const account of accountsOf(owner)) {
      this.spent.set(account, (this.spent.get(account) ?? 0) + cost);
    }
  }

  /** Replaces what is known by totals that were counted elsewhere, core-seconds. */
  setSpent(totals: ReadonlyMap<string, number>): void {
    this.spent = new Map(totals);
  }

  /** Replaces all budgets; core-hours by account. Answers the gates of those before and now. */
  setBudgets(coreHours: ReadonlyMap<string, number>): string[] {
    const before = this.budgets;
    this.budgets = new Map(
      [...coreHours].map(([account, hours]) => [account, hours * CORE_SECONDS_PER_CORE_HOUR]),
    );
    return [...new Set([...before.keys(), ...this.budgets.keys()])].map(gateOf);
  }

  /** Gates of every budget there is. */
  gates(): string[] {
    return [...this.budgets.keys()].map(gateOf);
  }

  /** Those of an owner's gates that a budget may close. */
  gatesOf(owner: Owner): string[] {
    if (this.budgets.size === 0) return [];
    return accountsOf(owner).flatMap((account) =>
      this.budgets.has(account) ? [gateOf(account)] : [],
    );
  }

  /** Whether a gate must stay closed; false for gates that are no budget's. */
  closes(gate: string): boolean {
    return gate.startsWith(GATE) && this.isSpent(gate.slice(GATE.length));
  }

  /** The budgets of an owner that are spent. */
  spentOf(owner: Owner): SpentBudget[] {
    const [, project] = accountsOf(owner);
    return accountsOf(owner).flatMap((account) => {
      const budget = this.budgets.get(account);
      if (budget === undefined || !this.isSpent(account)) return [];
      const name = account === project ? `project ${owner.project}` : `studio ${owner.studio}`;
      return [
        {
          name,
          spentCoreHours: this.spentBy(account) / CORE_SECONDS_PER_CORE_HOUR,
          budgetCoreHours: budget / CORE_SECONDS_PER_CORE_HOUR,
        },
      ];
    });
  }

  /** How many leases of `cost` core-seconds may begin until a budget of the owner's is spent. */
  leasesLeft(owner: Owner, cost: number): number {
    if (this.budgets.size === 0) return Number.POSITIVE_INFINITY;
    const left = accountsOf(owner).map((account) => {
      const budget = this.budgets.get(account);
      if (budget === undefined) return Number.POSITIVE_INFINITY;
      return this.isSpent(account) ? 0 : Math.ceil((budget - this.spentBy(account)) / cost);
    });
    return Math.min(...left);
  }

  private isSpent(account: string): boolean {
    const budget = this.budgets.get(account);
    return budget !== undefined && this.spentBy(account) >= budget;
  }
}
