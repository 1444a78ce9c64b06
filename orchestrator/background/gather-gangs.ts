import type { GangClock } from '../gangs/gang-clock.ts';
import { type GatherParts, gatherGangs } from '../gangs/gather.ts';
import type { Pass } from './pass.ts';

/** How soon gangs that wait are looked at again, ms: leases end on nodes of other replicas too. */
const AGAIN_MS = 1000;
/** At the latest, where there is no room: twice as long each time in vain. */
const LOOK_MS_MAX = 16_000;

/**
 * Finds room for steps whose tasks run all at once. Nudged when one begins to wait, when a lease ends on
 * a node that keeps room, and by its own clock while any waits.
 */
export function gatherGangsPass(
  parts: GatherParts & { gangClock: GangClock; periodMs: number },
): Pass {
  const { gangClock, clock } = parts;
  let lookMs = AGAIN_MS;
  let lookAtMs = 0;
  return {
    name: 'gather-gangs',
    periodMs: parts.periodMs,
    async runOnce() {
      const nowMs = clock.monotonicMs();
      const isNews = gangClock.takeNews();
      if (isNews) lookMs = AGAIN_MS;
      const mayLook = isNews || nowMs >= lookAtMs;
      const gathered = await gatherGangs(parts, mayLook);
      if (gathered === 'idle') return;
      if (gathered === 'waiting') lookMs = AGAIN_MS;
      else if (mayLook && !isNews) lookMs = Math.min(2 * lookMs, LOOK_MS_MAX);
      if (mayLook) lookAtMs = nowMs + lookMs;
      gangClock.again(gathered === 'waiting' ? AGAIN_MS : lookMs);
    },
  };
}
