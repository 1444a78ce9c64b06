import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { NodeId } from '@karst/shared/protocol/ids.ts';
import type { Resources } from '@karst/shared/protocol/lease.ts';
import type { Logger } from 'pino';
import type { Capabilities } from '../scheduler/capabilities.ts';
import { mismatches } from '../scheduler/match.ts';
import { capabilitiesFrom, unknownCapabilities } from '../scheduler/node-capabilities.ts';
import { NodeView } from '../scheduler/scheduler.ts';
import type { Shape } from '../scheduler/shape.ts';
import type { FarmSettings } from '../settings/farm-settings.ts';
import type { NodeStore } from '../store/node-store.ts';

interface Described {
  revision: number;
  capabilities: Capabilities;
  /** Which shapes suit it, by key. */
  matching: Map<string, boolean>;
  /** Whether its pool took only jobs that name it when `matching` was begun. */
  exclusive: boolean;
}

interface Seen {
  slots: number;
  deadlineMs: number;
  scheduledMs: number;
  /** Whether it takes work: nobody holds it back, and it says nothing against it. */
  takesWork: boolean;
  described?: Described;
}

/** Nodes lately seen that suit a shape. */
interface Counted {
  slots: number;
  /** Nodes of them that take work. */
  takers: number;
  atMs: number;
}

/** Entries on the expiry clock are moved together, so often, ms. */
const MOVE_MS = 100;
/** How long a count of nodes serves, ms. */
const COUNT_MS = 2000;

/** The nodes that speak to this replica: what they are, their slots, their place on the expiry clock. */
export class NodeRoster {
  private readonly nodes: NodeStore;
  private readonly settings: FarmSettings;
  private readonly clock: Clock;
  private readonly livenessMs: number;
  private moves = new Map<NodeId, number>();
  private readonly logger: Logger;
  private readonly byNode = new Map<NodeId, Seen>();
  private readonly counts = new Map<string, Counted>();

  constructor(parts: {
    nodes: NodeStore;
    settings: FarmSettings;
    clock: Clock;
    livenessMs: number;
    logger: Logger;
  }) {
    this.nodes = parts.nodes;
    this.settings = parts.settings;
    this.clock = parts.clock;
    this.livenessMs = parts.livenessMs;
    this.logger = parts.logger;
  }

  /**
   * A node called. Its entry on the expiry clock is moved only when a third of its time has passed, and
   * together with those of others: the pass reads the node's own record before it acts, so an entry may
   * be early, never missing.
   */
  async seen(nodeId: NodeId, slots: number, deadlineMs: number): Promise<void> {
    const known = this.byNode.get(nodeId);
    if (known !== undefined && deadlineMs - known.scheduledMs < this.livenessMs / 3) {
      known.slots = slots;
      known.deadlineMs = deadlineMs;
      return;
    }
    const described = known?.described;
    this.byNode.set(nodeId, {
      takesWork: known?.takesWork ?? false,
      slots,
      deadlineMs,
      scheduledMs: deadlineMs,
      ...(described === undefined ? {} : { described }),
    });
    if (known === undefined) await this.nodes.scheduleExpiry(new Map([[nodeId, deadlineMs]]));
    else this.move(nodeId, deadlineMs);
  }

  private move(nodeId: NodeId, deadlineMs: number): void {
    this.moves.set(nodeId, deadlineMs);
    if (this.moves.size > 1) return;
    sleep(MOVE_MS)
      .then(() => {
        const moves = this.moves;
        this.moves = new Map();
        return this.nodes.scheduleExpiry(moves);
      })
      .catch((error: Error) => {
        this.logger.warn({ err: error.message }, 'nodes stand early on the expiry clock');
      });
  }

  /**
   * The node as the scheduler sees it now; undefined while its pool takes nobody's jobs. `revision`
   * and `used` are what its call told.
   */
  async view(
    nodeId: NodeId,
    revision: number,
    used: readonly Resources[],
  ): Promise<NodeView | undefined> {
    const described = await this.describe(nodeId, revision);
    const { capabilities } = described;
    const admission = this.settings.admission(capabilities.pool, this.clock.nowMs());
    if (admission === undefined) return undefined;
    const exclusive = admission.exclusive === true;
    if (described.exclusive !== exclusive) described.matching.clear();
    described.exclusive = exclusive;
    return new NodeView(capabilities, used, described.matching, admission);
  }

  /** Whether the node takes work at all now, busy or not. */
  setTakesWork(nodeId: NodeId, takesWork: boolean): void {
    const seen = this.byNode.get(nodeId);
    if (seen === undefined || seen.takesWork === takesWork) return;
    seen.takesWork = takesWork;
    this.counts.clear();
  }

  /** Whether any node lately seen here, `but` one, suits a shape and takes work. */
  isTakenElsewhere(shape: Shape, but: NodeId): boolean {
    const nowMs = this.clock.nowMs();
    for (const [nodeId, seen] of this.byNode) {
      if (nodeId === but || !seen.takesWork || seen.deadlineMs < nowMs) continue;
      if (suits(seen, shape)) return true;
    }
    return false;
  }

  private async describe(nodeId: NodeId, revision: number): Promise<Described> {
    const seen = this.byNode.get(nodeId);
    if (seen?.described?.revision === revision) return seen.described;
    const found = await this.nodes.description(nodeId);
    const capabilities =
      found === undefined
        ? unknownCapabilities(nodeId)
        : capabilitiesFrom(found.name, found.inventory, found.settings);
    const described = { revision, capabilities, matching: new Map(), exclusive: false };
    if (seen !== undefined) seen.described = described;
    return described;
  }

  /**
   * Nodes lately seen here that suit a shape. A count serves until a node begins or stops to take work,
   * or for COUNT_MS.
   */
  counted(shape: Shape): Readonly<Counted> {
    const atMs = this.clock.monotonicMs();
    const known = this.counts.get(shape.key);
    if (known !== undefined && atMs - known.atMs < COUNT_MS) return known;
    const nowMs = this.clock.nowMs();
    const counted: Counted = { slots: 0, takers: 0, atMs };
    for (const [nodeId, seen] of this.byNode) {
      if (seen.deadlineMs < nowMs) this.byNode.delete(nodeId);
      else if (suits(seen, shape)) {
        counted.slots += seen.slots;
        if (seen.takesWork) counted.takers += 1;
      }
    }
    if (this.counts.size > 1000) this.counts.clear();
    this.counts.set(shape.key, counted);
    return counted;
  }

  /** Every node lately seen here that has said what it is. */
  *described(): Generator<{ nodeId: NodeId; slots: number; capabilities: Capabilities }> {
    for (const [nodeId, { slots, described }] of this.byNode) {
      if (described !== undefined) yield { nodeId, slots, capabilities: described.capabilities };
    }
  }

  /** Forgets a node taken off the expiry clock: its next call puts it back on. */
  forget(nodeId: NodeId): void {
    this.byNode.delete(nodeId);
  }
}

function suits({ described }: Seen, shape: Shape): boolean {
  if (described === undefined) return false;
  const known = described.matching.get(shape.key);
  return known ?? mismatches(shape, described.capabilities).length === 0;
}
