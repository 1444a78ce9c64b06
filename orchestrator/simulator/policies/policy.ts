import type { Charge, NodeView, Scheduler } from '../../scheduler/scheduler.ts';
import type { SimStep } from '../sim-step.ts';

export const policyNames = ['karst', 'fifo', 'priority', 'sjf'] as const;
export type PolicyName = (typeof policyNames)[number];

/** Who goes next. All policies see the same steps, nodes, ceilings and times. */
export interface Policy {
  /** The orchestrator's own, of the policy that is: it also ends leases for others. */
  readonly scheduler?: Scheduler<SimStep>;
  /** The step has tasks to grant. */
  add(step: SimStep): void;
  remove(step: SimStep): void;
  /** Steps that may be chosen, those behind closed gates aside. */
  readonly size: number;
  choose(view: NodeView, prefer: SimStep | undefined): SimStep | undefined;
  /** A lease of `tasks` of the step began; its next task is another one now. */
  begun(step: SimStep, tasks: number, nowMs: number): Charge | undefined;
  ended(step: SimStep, charge: Charge, ms: number, nowMs: number): void;
  close(gate: string): void;
  open(gate: string): void;
}
