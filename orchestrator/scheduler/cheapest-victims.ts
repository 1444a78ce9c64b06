import type { PriorityClass } from '@karst/shared/protocol/job.ts';
import type { Resources } from '@karst/shared/protocol/lease.ts';
import type { FreeResources } from './free.ts';
import { priorityClasses } from './ranking.ts';
import type { Shape } from './shape.ts';

/** A lease that may be ended before its time. */
export interface VictimLease {
  readonly leaseId: string;
  readonly studio: string;
  readonly priorityClass: PriorityClass;
  readonly resources: Resources | undefined;
  /** What ending it now wastes, core-seconds. */
  readonly lostCost: number;
}

/** Leases that together make room, and what that wastes. */
export interface Victims<L extends VictimLease> {
  readonly leases: readonly L[];
  /** Of the highest class among them; higher is worse. */
  readonly rank: number;
  readonly lostCost: number;
}

/** Where room is to be made for one lease of `shape`. */
export interface Room<L extends VictimLease> {
  readonly shape: Shape;
  /** What is free with every lease in place; left as it was found. */
  readonly free: FreeResources;
  readonly slotsFree: number;
  /** Those that may be ended. */
  readonly candidates: readonly L[];
  /** How many of a studio's leases may be ended, where that is bounded. */
  quota(lease: L): { readonly key: string; readonly max: number } | undefined;
}

/** Up to this many candidates every set is weighed; of more, a set from which nothing can be left out. */
const EXACT_MAX = 10;

/** background 0, normal 1, urgent 2. */
export const classRank = (priorityClass: PriorityClass): number =>
  priorityClasses.length - 1 - priorityClasses.indexOf(priorityClass);

/** Between ways to make room: a lower class first, then less work lost, then fewer leases. */
export function compareVictims<L extends VictimLease>(a: Victims<L>, b: Victims<L>): number {
  return a.rank - b.rank || a.lostCost - b.lostCost || a.leases.length - b.leases.length;
}

/**
 * The leases to end on one node so that a lease of the shape fits there; undefined when nothing that
 * may be ended is enough. No set with lower classes only, and none that wastes less, does it as well.
 */
export function cheapestVictims<L extends VictimLease>(room: Room<L>): Victims<L> | undefined {
  const byCost = [...room.candidates].sort(
    (a, b) => a.lostCost - b.lostCost || (a.leaseId < b.leaseId ? -1 : 1),
  );
  for (const rank of priorityClasses.keys()) {
    const upTo = byCost.filter((lease) => classRank(lease.priorityClass) <= rank);
    const isNew = upTo.some((lease) => classRank(lease.priorityClass) === rank);
    if (!isNew) continue;
    const found = upTo.length <= EXACT_MAX ? weighAll(room, upTo) : addAndPrune(room, upTo);
    if (found === undefined) continue;
    return {
      leases: found,
      rank: Math.max(...found.map((lease) => classRank(lease.priorityClass))),
      lostCost: costOf(found),
    };
  }
  return undefined;
}

const costOf = (leases: readonly VictimLease[]): number =>
  leases.reduce((sum, { lostCost }) => sum + lostCost, 0);

/** A set of leases as it grows and shrinks, and whether it makes room. */
class Chosen<L extends VictimLease> {
  readonly leases: L[] = [];
  private readonly room: Room<L>;
  private readonly counts = new Map<string, number>();

  constructor(room: Room<L>) {
    this.room = room;
  }

  get suffices(): boolean {
    const { slotsFree, free, shape } = this.room;
    return slotsFree + this.leases.length >= 1 && free.fits(shape);
  }

  /** False, and nothing is changed: too many leases of its studio would end. */
  add(lease: L): boolean {
    const quota = this.room.quota(lease);
    if (quota !== undefined) {
      const count = this.counts.get(quota.key) ?? 0;
      if (count >= quota.max) return false;
      this.counts.set(quota.key, count + 1);
    }
    this.leases.push(lease);
    if (lease.resources !== undefined) this.room.free.giveBack(lease.resources);
    return true;
  }

  remove(lease: L): void {
    this.leases.splice(this.leases.indexOf(lease), 1);
    if (lease.resources !== undefined) this.room.free.hold(lease.resources);
    const quota = this.room.quota(lease);
    if (quota !== undefined) this.counts.set(quota.key, (this.counts.get(quota.key) ?? 1) - 1);
  }

  clear(): void {
    for (const lease of [...this.leases]) this.remove(lease);
  }
}

function weighAll<L extends VictimLease>(room: Room<L>, candidates: readonly L[]): L[] | undefined {
  const chosen = new Chosen(room);
  let best: { leases: L[]; cost: number } | undefined;
  const search = (at: number, cost: number): void => {
    const { leases } = chosen;
    if (best !== undefined && cost > best.cost) return;
    if (chosen.suffices) {
      const better = best === undefined || cost < best.cost || leases.length < best.leases.length;
      if (better) best = { leases: [...leases], cost };
      return;
    }
    for (const [i, lease] of candidates.entries()) {
      if (i < at || !chosen.add(lease)) continue;
      search(i + 1, cost + lease.lostCost);
      chosen.remove(lease);
    }
  };
  search(0, 0);
  return best?.leases;
}

/** Cheapest first until there is room, then without those, dearest first, that it takes not. */
function addAndPrune<L extends VictimLease>(
  room: Room<L>,
  candidates: readonly L[],
): L[] | undefined {
  const chosen = new Chosen(room);
  for (const lease of candidates) {
    if (chosen.suffices) break;
    chosen.add(lease);
  }
  const enough = chosen.suffices;
  for (const lease of [...chosen.leases].reverse()) {
    if (!enough) break;
    chosen.remove(lease);
    if (!chosen.suffices) chosen.add(lease);
  }
  const found = enough ? [...chosen.leases] : undefined;
  chosen.clear();
  return found;
}
