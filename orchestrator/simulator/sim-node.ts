import type { Resources } from '@karst/shared/protocol/lease.ts';
import type { NodeGroup } from '@karst/shared/simulation/farm-file.ts';
import type { Capabilities } from '../scheduler/capabilities.ts';
import { type Admission, type Charge, NodeView } from '../scheduler/scheduler.ts';
import type { RandomStream } from './random-stream.ts';
import type { SimStep, Span } from './sim-step.ts';

/** A node's right to run a span, from its grant to its end. */
export interface SimLease {
  readonly id: string;
  readonly node: SimNode;
  readonly step: SimStep;
  readonly span: Span;
  /** Undefined: it takes its slot alone. */
  readonly resources: Resources | undefined;
  readonly startedAtMs: number;
  /** What the policy charged for it. */
  charge: Charge | undefined;
  isOver: boolean;
}

/** A machine of the farm. */
export class SimNode {
  readonly group: NodeGroup;
  readonly capabilities: Capabilities;
  readonly admission: Admission;
  readonly slots: number;
  /** Draws of its failures: the same whatever the policy runs on it. */
  readonly random: RandomStream;
  readonly leases = new Set<SimLease>();
  isUp = false;
  hasLeft = false;
  /** What it ran last. */
  lastStep: SimStep | undefined;
  private readonly matching = new Map<string, boolean>();
  private cached: NodeView | undefined;

  constructor(
    group: NodeGroup,
    capabilities: Capabilities,
    admission: Admission,
    random: RandomStream,
  ) {
    this.group = group;
    this.capabilities = capabilities;
    this.admission = admission;
    this.slots = group.slots;
    this.random = random;
  }

  get hasSlot(): boolean {
    return this.isUp && this.leases.size < this.slots;
  }

  /** The node as the policy sees it when it asks now. */
  get view(): NodeView {
    if (this.cached === undefined) {
      const held: Resources[] = [];
      for (const { resources } of this.leases) if (resources !== undefined) held.push(resources);
      this.cached = new NodeView(this.capabilities, held, this.matching, this.admission);
    }
    return this.cached;
  }

  /** Its view has taken the lease's resources already. */
  hold(lease: SimLease): void {
    this.leases.add(lease);
    this.lastStep = lease.step;
  }

  release(lease: SimLease): void {
    this.leases.delete(lease);
    this.cached = undefined;
  }
}
