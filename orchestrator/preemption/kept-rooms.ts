import type { JobId, LeaseId } from '@karst/shared/protocol/ids.ts';
import type { Resources } from '@karst/shared/protocol/lease.ts';
import type { ListedLease } from '../store/node-store.ts';
import { type Preempt, preemptMessage, type Victim } from '../store/preempt-record.ts';

/** Room for one lease of a step, that nobody else gets. */
export interface KeptRoom {
  readonly preemptId: string;
  readonly jobId: JobId;
  readonly step: number;
  readonly resources: Resources | undefined;
  /** For one task of a gang: it may start once there is room for all. */
  readonly isGang: boolean;
}

/** A node's marks against what it runs. */
export interface Rooms {
  /** What is kept of the node, beside what its leases hold. */
  readonly held: readonly Resources[];
  /** Slots kept, beside those of its leases. */
  readonly slots: number;
  /** Rooms whose leases have all ended: the step may start. */
  readonly ready: readonly KeptRoom[];
  /** Where room is kept for gangs: when the first is to begin, and what is held but for their room. */
  readonly gangs: { startsAtMs: number; heldElse: readonly Resources[] } | undefined;
}

export function roomsOn(
  preempts: readonly Preempt[],
  leases: readonly ListedLease[],
  nowMs: number,
): Rooms {
  const held: Resources[] = [];
  const ready: KeptRoom[] = [];
  const heldElse: Resources[] = [];
  let startsAtMs = Number.POSITIVE_INFINITY;
  let slots = 0;
  for (const room of preempts) {
    const { id, jobId, step, victims, resources, reason, keptUntilMs } = room;
    if (keptUntilMs <= nowMs) continue;
    if (reason === 'gang') startsAtMs = Math.min(startsAtMs, room.startsAtMs ?? nowMs);
    const running = leases.filter(({ leaseId }) => victims.some((one) => one.leaseId === leaseId));
    if (resources !== undefined) {
      const rest = beyond(resources, running);
      held.push(rest);
      if (reason !== 'gang') heldElse.push(rest);
    }
    if (running.length > 0) continue;
    slots += 1;
    ready.push({ preemptId: id, jobId, step, resources, isGang: reason === 'gang' });
  }
  const gangs = startsAtMs === Number.POSITIVE_INFINITY ? undefined : { startsAtMs, heldElse };
  return { held, slots, ready, gangs };
}

/** What of `wanted` the leases, once they have ended, do not give. */
function beyond(wanted: Resources, leases: readonly ListedLease[]): Resources {
  const freed = (of: (resources: Resources) => number): number =>
    leases.reduce((sum, { resources }) => sum + (resources === undefined ? 0 : of(resources)), 0);
  const left = (of: (resources: Resources) => number): number =>
    Math.max(0, of(wanted) - freed(of));
  const amounts = Object.keys(wanted.amounts ?? {}).map((name) => {
    return [name, left((resources) => resources.amounts?.[name] ?? 0)];
  });
  return {
    vcpus: left(({ vcpus }) => vcpus),
    memoryMib: left(({ memoryMib }) => memoryMib),
    scratchGib: left(({ scratchGib }) => scratchGib),
    // A GPU is held or not: one of a lease that still runs is held twice, which is once.
    gpus: wanted.gpus,
    ...(amounts.length === 0 ? {} : { amounts: Object.fromEntries(amounts) }),
  };
}

/** What a lease was told to end for. */
export function preemptedLease(
  preempts: readonly Preempt[],
  leaseId: LeaseId,
): { preempt: Preempt; victim: Victim } | undefined {
  for (const preempt of preempts) {
    const victim = preempt.victims.find((one) => one.leaseId === leaseId);
    if (victim !== undefined) return { preempt, victim };
  }
  return undefined;
}

/** What a node is to be told to end: of the leases it holds, those it does not end already. */
export function preemptOrders(
  preempts: readonly Preempt[],
  held: readonly LeaseId[],
  ending: readonly LeaseId[],
): { leaseId: LeaseId; graceSeconds: number; message: string }[] {
  return preempts.flatMap((preempt) =>
    preempt.victims
      .filter(({ leaseId }) => held.includes(leaseId) && !ending.includes(leaseId))
      .map(({ leaseId, graceSeconds }) => {
        return { leaseId, graceSeconds, message: preemptMessage(preempt) };
      }),
  );
}
