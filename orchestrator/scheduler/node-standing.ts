import type { Standing } from '@karst/shared/protocol/explain.ts';
import type { NodeId } from '@karst/shared/protocol/ids.ts';
import type { Resources } from '@karst/shared/protocol/lease.ts';
import type { Capabilities } from './capabilities.ts';
import { FreeResources } from './free.ts';
import { type Mismatch, mismatches } from './match.ts';
import type { Admission, Asker } from './scheduler.ts';
import type { Shape } from './shape.ts';

/** A node as it stands in storage, whichever replica it speaks to. */
export interface NodeFacts {
  readonly nodeId: NodeId;
  readonly capabilities: Capabilities;
  readonly online: boolean;
  /** Why the farm gives it no work. */
  readonly hold:
    | { kind: 'draining' | 'outside_schedule' | 'quarantined'; reason: string }
    | undefined;
  /** Why its agent wants no work. */
  readonly message: string | undefined;
  readonly slots: number;
  readonly leaseCount: number;
  /** What its leases reserve, those that reserve anything. */
  readonly used: readonly Resources[];
  /** What is kept for gangs that have not begun: how many slots, and resources. */
  readonly keptForGangs?: { readonly slots: number; readonly resources: readonly Resources[] };
  readonly admission: Admission;
  /** Its pool starts nothing at this hour. */
  readonly poolClosed: boolean;
}

/** How a node stands to a step, and the tests behind that: failed ones, or what is not free. */
export interface NodeStanding {
  readonly standing: Standing;
  readonly tests: readonly Mismatch[];
}

/** Suits, and would take a task of the step if it had nothing else to do. */
export const canServe = ({ standing }: NodeStanding): boolean =>
  standing === 'free' || standing === 'busy' || standing === 'limit_reached';

const none: readonly Mismatch[] = [];

export function standingOf(asker: Asker, node: NodeFacts, free: FreeResources): NodeStanding {
  const { shape } = asker;
  const { studios, classes, exclusive } = node.admission;
  const plain = (standing: Standing): NodeStanding => ({ standing, tests: none });
  // Before its tests: what a pool of other studios has is not this one's to know.
  if (studios !== undefined && !studios.includes(asker.studio)) return plain('other_studios');
  const failed = mismatches(shape, node.capabilities);
  if (failed.length > 0) return { standing: 'unsuited', tests: failed };
  if (!node.online) return plain('offline');
  if (classes !== undefined && !classes.includes(asker.priorityClass)) {
    return plain('other_classes');
  }
  if (exclusive === true && shape.placement.pool === undefined) return plain('pool_by_name_only');
  if (node.poolClosed) return plain('pool_closed');
  if (node.hold !== undefined) return plain(node.hold.kind);
  if (node.message !== undefined) return plain('not_ready');
  if (node.leaseCount + (node.keptForGangs?.slots ?? 0) >= node.slots) return plain('busy');
  const short = free.shortages(shape);
  return short.length > 0 ? { standing: 'busy', tests: short } : plain('free');
}

/** How many leases of a shape a node runs at once when it runs nothing else. */
export function capacityOf(
  shape: Shape,
  { capabilities, slots }: Pick<NodeFacts, 'capabilities' | 'slots'>,
): number {
  if (shape.demand === undefined) return slots;
  const free = new FreeResources(capabilities, []);
  let count = 0;
  while (count < slots && free.take(shape) !== undefined) count += 1;
  return count;
}

/** Standings of all nodes, each decided once for steps that ask alike. In the order of the nodes. */
export class Standings {
  readonly nodes: readonly NodeFacts[];
  private readonly free: readonly FreeResources[];
  private readonly known = new Map<string, readonly NodeStanding[]>();

  constructor(nodes: readonly NodeFacts[]) {
    this.nodes = nodes;
    this.free = nodes.map((node) => {
      const kept = node.keptForGangs?.resources ?? [];
      return new FreeResources(node.capabilities, [...node.used, ...kept]);
    });
  }

  of(asker: Asker): readonly NodeStanding[] {
    const key = `${asker.studio} ${asker.priorityClass} ${asker.shape.key}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const made = this.nodes.map((node, i) => {
      const free = this.free[i] ?? new FreeResources(node.capabilities, node.used);
      return standingOf(asker, node, free);
    });
    this.known.set(key, made);
    return made;
  }

  /** Leases of the step that all nodes which can serve it run at once, when nothing else runs there. */
  capacity(asker: Asker): number {
    return this.of(asker).reduce((sum, standing, i) => {
      const node = this.nodes[i];
      return node !== undefined && canServe(standing) ? sum + capacityOf(asker.shape, node) : sum;
    }, 0);
  }
}
