import type { NodeId } from '@karst/shared/protocol/ids.ts';
import type { Resources } from '@karst/shared/protocol/lease.ts';
import type { Capabilities } from './capabilities.ts';
import { type Admission, type Asker, NodeView } from './scheduler.ts';

/** A lease, and when it is expected to end. */
export interface EndingLease {
  readonly resources: Resources | undefined;
  readonly endsAtMs: number;
}

/** A node that takes work, and what it runs. */
export interface GangNode {
  readonly nodeId: NodeId;
  readonly capabilities: Capabilities;
  readonly admission: Admission;
  /** Slots that neither a lease has nor anybody's kept room. */
  readonly slotsFree: number;
  /** Room kept for others. */
  readonly kept: readonly Resources[];
  readonly leases: readonly EndingLease[];
}

/** A step whose tasks run all at once. */
export interface GangWant extends Asker {
  /** How many tasks. */
  readonly tasks: number;
}

/** Room for one task, from a moment on. */
export interface GangPlace {
  readonly nodeId: NodeId;
  readonly resources: Resources | undefined;
  readonly freeAtMs: number;
}

/**
 * Room for every task of a gang: the places that are free first, those now free before all. `found` has
 * fewer than there are tasks when the nodes can't hold them at once, whatever ends. Cost O(nodes +
 * leases) and a sort.
 */
export function gangPlaces(
  want: GangWant,
  nodes: readonly GangNode[],
  nowMs: number,
): { places: GangPlace[]; isEnough: boolean } {
  const found = nodes.flatMap((node) => placesOn(node, want, nowMs));
  found.sort((a, b) => a.freeAtMs - b.freeAtMs || (a.nodeId < b.nodeId ? -1 : 1));
  const places = found.slice(0, want.tasks);
  return { places, isEnough: places.length === want.tasks };
}

/** Places on one node: each needs those before it to have been taken, and is free no sooner. */
function placesOn(
  { nodeId, capabilities, admission, slotsFree, kept, leases }: GangNode,
  want: GangWant,
  nowMs: number,
): GangPlace[] {
  const { shape, tasks } = want;
  const held = leases.flatMap(({ resources }) => (resources === undefined ? [] : [resources]));
  const view = new NodeView(capabilities, [...kept, ...held], new Map(), admission);
  if (!view.admits(want)) return [];
  const ending = [...leases].sort((a, b) => a.endsAtMs - b.endsAtMs);
  const places: GangPlace[] = [];
  let slots = slotsFree;
  let freeAtMs = nowMs;
  while (places.length < tasks) {
    if (slots > 0 && view.free.fits(shape)) {
      places.push({ nodeId, resources: view.free.take(shape), freeAtMs });
      slots -= 1;
      continue;
    }
    const next = ending.shift();
    if (next === undefined) break;
    if (next.resources !== undefined) view.free.giveBack(next.resources);
    slots += 1;
    freeAtMs = Math.max(freeAtMs, next.endsAtMs);
  }
  return places;
}

/**
 * Whether a span of tasks may run in room that is kept for a gang (EASY backfill: Lifka, 1995): it is
 * over before the gang is expected to begin. `p90Ms`: what nine of ten of its tasks stayed within;
 * undefined, and so never, while nobody knows. `spanMs`: what a span of several is made to take.
 */
export const fitsBefore = (p90Ms: number | undefined, spanMs: number, leftMs: number): boolean =>
  p90Ms !== undefined && Math.max(p90Ms, spanMs) <= leftMs;
