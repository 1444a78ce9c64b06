import type { JobId, LeaseId, NodeId } from '@karst/shared/protocol/ids.ts';
import type { Grant } from '@karst/shared/protocol/lease.ts';
import type { KeptRoom } from '../preemption/kept-rooms.ts';
import type { NodeView } from '../scheduler/scheduler.ts';

/** What a node's call asks for. */
export interface Ask {
  nodeId: NodeId;
  bootId: string;
  seq: number;
  wanted: number;
  /** The node as it stood when it called. */
  node: NodeView;
  /** Jobs whose inputs it has, the latest first. */
  warm: readonly JobId[];
  /** Of `wanted`, one each is for these steps alone; those used are struck off. */
  kept: KeptRoom[];
  /** The node with the room that is kept for gangs, and until when others may have that. */
  backfill?: { node: NodeView; untilMs: number } | undefined;
}

export interface News {
  grants: Grant[];
  lost: LeaseId[];
}

/** A call that waits for work or news. */
export interface Waiter extends Ask {
  answer(news: News): void;
}

/** Parked calls, one a node, first come first served. */
export class Waiters {
  private readonly byNode = new Map<NodeId, Waiter>();

  get size(): number {
    return this.byNode.size;
  }

  /** Parks a call; the node's former one is answered emptily: it has been superseded. */
  park(waiter: Waiter): void {
    this.byNode.get(waiter.nodeId)?.answer({ grants: [], lost: [] });
    this.byNode.delete(waiter.nodeId);
    this.byNode.set(waiter.nodeId, waiter);
  }

  leave(waiter: Waiter): void {
    if (this.byNode.get(waiter.nodeId) === waiter) this.byNode.delete(waiter.nodeId);
  }

  isParked(waiter: Waiter): boolean {
    return this.byNode.get(waiter.nodeId) === waiter;
  }

  of(nodeId: NodeId): Waiter | undefined {
    return this.byNode.get(nodeId);
  }

  /** A snapshot of every parked call. */
  all(): Waiter[] {
    return [...this.byNode.values()];
  }

  /** A snapshot of those that want work, oldest first. */
  wanting(): Waiter[] {
    return [...this.byNode.values()].filter((waiter) => waiter.wanted > 0);
  }
}
