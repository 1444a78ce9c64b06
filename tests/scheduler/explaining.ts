import type { Counter } from '@karst/orchestrator/scheduler/counters.ts';
import type { FarmFacts, StepFacts } from '@karst/orchestrator/scheduler/explain.ts';
import { type NodeFacts, Standings } from '@karst/orchestrator/scheduler/node-standing.ts';
import type { WaitingStep } from '@karst/orchestrator/scheduler/ranking.ts';
import { NodeView, type Scheduler } from '@karst/orchestrator/scheduler/scheduler.ts';
import { nodeIdSchema } from '@karst/shared/protocol/ids.ts';
import { capabilitiesOf } from './nodes.ts';

export type CountedStep = WaitingStep & { counters: readonly Counter[] };

/** An ordinary node number `n` that is online and idle, with what is given changed. */
export const nodeFacts = (n: number, given: Partial<NodeFacts> = {}): NodeFacts => ({
  nodeId: nodeIdSchema.parse(`node-${String(n).padStart(20, '0')}`),
  capabilities: capabilitiesOf({ name: `n${n}` }),
  online: true,
  hold: undefined,
  message: undefined,
  slots: 1,
  leaseCount: 0,
  used: [],
  admission: {},
  poolClosed: false,
  ...given,
});

/** A step with work of which nothing runs and that nothing but the farm may hold. */
export const waitingFacts = (
  step: CountedStep,
  given: Partial<StepFacts<CountedStep>> = {},
): StepFacts<CountedStep> => ({
  step,
  running: 0,
  paused: false,
  held: false,
  waitsFor: [],
  ready: 1,
  delayed: 0,
  dueAtMs: undefined,
  avoided: [],
  ...given,
});

export function farmFacts(
  scheduler: Scheduler<CountedStep>,
  nodes: readonly NodeFacts[],
  given: Partial<FarmFacts<CountedStep>> = {},
): FarmFacts<CountedStep> {
  return {
    standings: new Standings(nodes),
    ranking: scheduler.ranking,
    ledger: { count: () => 0, max: () => undefined, countsOn: () => false },
    load: () => ({ waiting: 1, meanTaskMs: undefined }),
    nowMs: 0,
    ...given,
  };
}

/** What the scheduler would give a node that calls now: nothing to one that may get or wants nothing. */
export function granted(
  scheduler: Scheduler<CountedStep>,
  node: NodeFacts,
): CountedStep | undefined {
  const { online, hold, message, poolClosed, slots, leaseCount } = node;
  const asks = online && hold === undefined && message === undefined && !poolClosed;
  if (!asks || leaseCount >= slots) return undefined;
  return scheduler.choose(new NodeView(node.capabilities, node.used, new Map(), node.admission));
}
