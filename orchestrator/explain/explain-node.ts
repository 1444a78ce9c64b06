import type { NodeExplanation } from '@karst/shared/protocol/explain.ts';
import type { Node } from '@karst/shared/protocol/node.ts';
import { explainNode as reasonsOf } from '../scheduler/explain-node.ts';
import { type FarmParts, readFarm } from './farm-reader.ts';

/** Why a node idles, as this replica sees it now. Cost O(leases of the node + steps that wait). */
export async function explainNode(parts: FarmParts, node: Node): Promise<NodeExplanation> {
  const steps = [...parts.scheduler.ranking.steps()];
  const counters = steps.flatMap((step) => step.counters);
  const farm = await readFarm(parts, counters, node.id);
  const facts = farm.standings.nodes[0];
  const { id: nodeId, name, state, slots } = node;
  const reasons =
    facts === undefined
      ? { summary: 'The node is gone.', holds: [], waiting: [], leftOut: 0 }
      : reasonsOf(facts, farm);
  return { nodeId, name, state, slots, leaseCount: facts?.leaseCount ?? 0, ...reasons };
}
