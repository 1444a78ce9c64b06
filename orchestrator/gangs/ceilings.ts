import type { Counter } from '../scheduler/counters.ts';
import type { GangPlace } from '../scheduler/gang.ts';
import type { Ledger } from '../store/ledger.ts';

/** For how many of the places, from the first, the ceilings of these counters leave room now. */
export async function roomUnder(
  ledger: Ledger,
  counters: readonly Counter[],
  places: readonly GangPlace[],
): Promise<number> {
  let room = places.length;
  for (const { counter, left } of await ledger.left(counters)) {
    const { host, amount } = counter;
    room = Math.min(room, host ? placesOn(left, places) : Math.floor(left / amount));
  }
  return Math.max(0, room);
}

/** How many places there are on the first so many nodes; those counted already are thought new. */
function placesOn(nodesMax: number, places: readonly GangPlace[]): number {
  const nodes = new Set<string>();
  for (const [i, { nodeId }] of places.entries()) {
    nodes.add(nodeId);
    if (nodes.size > nodesMax) return i;
  }
  return places.length;
}
