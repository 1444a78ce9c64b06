import type { Clock } from '@karst/shared/clock.ts';
import type { Logger } from 'pino';
import type { NodeStore } from '../store/node-store.ts';
import type { LeaseExpiry } from '../sync/lease-expiry.ts';
import type { NodeRoster } from '../sync/node-roster.ts';
import type { NodeWatch } from '../sync/node-watch.ts';
import type { Pass } from './pass.ts';

/**
 * Takes every lease back from nodes whose liveness deadline passed. Waits one full deadline after this
 * replica started or Redis came back: an outage of ours must never expire a healthy farm.
 */
export function expireNodesPass(parts: {
  nodes: NodeStore;
  expiry: LeaseExpiry;
  watch: NodeWatch;
  roster: NodeRoster;
  clock: Clock;
  logger: Logger;
  livenessMs: number;
  /** Monotonic time since when nodes could reach us without a break; undefined while they can't. */
  reachableSinceMs: () => number | undefined;
}): Pass {
  const { nodes, expiry, clock } = parts;
  return {
    name: 'expire-nodes',
    periodMs: Math.min(1000, parts.livenessMs / 5),
    async runOnce() {
      const since = parts.reachableSinceMs();
      if (since === undefined || clock.monotonicMs() - since < parts.livenessMs) return;
      for (const nodeId of await nodes.overdue(clock.nowMs())) {
        const deadlineMs = await nodes.deadlineMs(nodeId);
        if (deadlineMs > clock.nowMs()) {
          await nodes.scheduleExpiry(new Map([[nodeId, deadlineMs]]));
          continue;
        }
        const leases = await nodes.leases(nodeId);
        parts.logger.warn({ node: nodeId, leases: leases.length }, 'node lost');
        await expiry.expire(nodeId, leases, 'the node was lost: its liveness deadline passed');
        if (leases.length > 0) await parts.watch.lost(nodeId, leases);
        parts.roster.forget(nodeId);
        // A call that came in between put the node back on the clock with a later deadline.
        if ((await nodes.deadlineMs(nodeId)) <= clock.nowMs()) await nodes.stopExpiry(nodeId);
      }
    },
  };
}
