import type { Clock } from '@karst/shared/clock.ts';
import type { NodeId } from '@karst/shared/protocol/ids.ts';
import type { NodeStore } from '../store/node-store.ts';

interface Seen {
  slots: number;
  deadlineMs: number;
  scheduledMs: number;
}

/** The nodes that speak to this replica: how many slots they have, and their place on the expiry clock. */
export class NodeRoster {
  private readonly nodes: NodeStore;
  private readonly clock: Clock;
  private readonly livenessMs: number;
  private readonly byNode = new Map<NodeId, Seen>();
  private slotSum = 0;
  private slotSumAtMs = Number.NEGATIVE_INFINITY;

  constructor(nodes: NodeStore, clock: Clock, livenessMs: number) {
    this.nodes = nodes;
    this.clock = clock;
    this.livenessMs = livenessMs;
  }

  /**
   * A node called. Its entry on the expiry clock is moved only when a third of its time has passed:
   * the pass reads the node's own record before it acts, so an entry may be early, never missing.
   */
  async seen(nodeId: NodeId, slots: number, deadlineMs: number): Promise<void> {
    const known = this.byNode.get(nodeId);
    if (known !== undefined && deadlineMs - known.scheduledMs < this.livenessMs / 3) {
      known.slots = slots;
      known.deadlineMs = deadlineMs;
      return;
    }
    this.byNode.set(nodeId, { slots, deadlineMs, scheduledMs: deadlineMs });
    await this.nodes.scheduleExpiry(nodeId, deadlineMs);
  }

  /** Slots of the nodes that spoke to this replica lately; summed at most once a second. */
  slots(): number {
    const monotonicMs = this.clock.monotonicMs();
    if (monotonicMs - this.slotSumAtMs < 1000) return this.slotSum;
    const nowMs = this.clock.nowMs();
    this.slotSum = 0;
    for (const [nodeId, { slots, deadlineMs }] of this.byNode) {
      if (deadlineMs < nowMs) this.byNode.delete(nodeId);
      else this.slotSum += slots;
    }
    this.slotSumAtMs = monotonicMs;
    return this.slotSum;
  }

  /** Forgets a node taken off the expiry clock: its next call puts it back on. */
  forget(nodeId: NodeId): void {
    this.byNode.delete(nodeId);
  }
}
