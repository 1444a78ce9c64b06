import type { LeaseId } from '@karst/shared/protocol/ids.ts';
import { nodeIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { LeaseAccounts } from '../dispatch/lease-accounts.ts';
import type { RunnableStep } from '../dispatch/runnable-steps.ts';
import { counterNames } from '../scheduler/counters.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { Ledger } from '../store/ledger.ts';
import type { NodeStore } from '../store/node-store.ts';
import type { Pass } from './pass.ts';

/**
 * Ends the counting of leases that stand on no node's list: their process died between the ledger and
 * the list. A lease enters both at the same time, so only one found so in two passes in a row is over.
 * Then looks again at what this replica remembers: counters it thinks full, leases it thinks held.
 */
export function settleLedgerPass(parts: {
  ledger: Ledger;
  nodes: NodeStore;
  accounts: LeaseAccounts;
  scheduler: Scheduler<RunnableStep>;
  dispatcher: Dispatcher;
  periodMs: number;
}): Pass {
  const { ledger, nodes, accounts, scheduler, dispatcher } = parts;
  let suspects: ReadonlySet<LeaseId> = new Set();

  async function settle(): Promise<void> {
    const next = new Set<LeaseId>();
    for await (const page of ledger.leases()) {
      const listed = await Promise.all(
        page.map(({ leaseId, nodeId }) => nodes.lease(nodeIdSchema.parse(nodeId), leaseId)),
      );
      const unlisted = page.filter((_, i) => listed[i] === undefined);
      const over = unlisted.map(({ leaseId }) => leaseId).filter((id) => suspects.has(id));
      await accounts.settle(over);
      for (const { leaseId } of unlisted) if (!over.includes(leaseId)) next.add(leaseId);
    }
    suspects = next;
  }

  async function lookAgain(): Promise<void> {
    for (const gate of scheduler.ranking.closedGates()) {
      if (!(await ledger.isFull(gate)) && accounts.open([gate]))
        dispatcher.receive({ kind: 'gates', names: [] });
    }
    const accountsKnown = [...scheduler.shares.all()];
    const held = await ledger.counts(
      accountsKnown.map(({ name }) => {
        const [studio = '', project] = name.split('/');
        return project === undefined
          ? counterNames.studioTasks(studio)
          : counterNames.projectTasks(studio, project);
      }),
    );
    for (const [i, account] of accountsKnown.entries()) account.running = held[i] ?? 0;
    scheduler.ranking.reorderAll();
  }

  return {
    name: 'settle-ledger',
    periodMs: parts.periodMs,
    async runOnce() {
      await settle();
      await lookAgain();
    },
  };
}
