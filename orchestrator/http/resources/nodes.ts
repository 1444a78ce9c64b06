import type { Clock } from '@karst/shared/clock.ts';
import type { NodeId } from '@karst/shared/protocol/ids.ts';
import type { Node } from '@karst/shared/protocol/node.ts';
import type { WakeBus } from '../../dispatch/wake-bus.ts';
import type { HealthStore } from '../../store/health-store.ts';
import type { NodeStore } from '../../store/node-store.ts';
import { type Handlers, ProblemError } from '../handler.ts';

type NodeHandlers = Pick<
  Handlers,
  'listNodes' | 'getNode' | 'setNode' | 'drainNode' | 'undrainNode' | 'restoreNode'
>;

export function nodeHandlers(parts: {
  nodes: NodeStore;
  health: HealthStore;
  bus: WakeBus;
  clock: Clock;
}): NodeHandlers {
  const { nodes, health, bus, clock } = parts;

  async function read(nodeId: NodeId): Promise<Node> {
    const node = await nodes.read(nodeId, clock.nowMs());
    if (node === undefined) throw new ProblemError('not_found', `There is no node ${nodeId}.`);
    return node;
  }

  async function changed(nodeId: NodeId, change: Promise<boolean>): Promise<Node> {
    if (!(await change)) throw new ProblemError('not_found', `There is no node ${nodeId}.`);
    // Its parked call is answered, so that it hears at once.
    bus.send({ kind: 'node', nodeId, lost: [] });
    return await read(nodeId);
  }

  return {
    listNodes: async () => ({ items: await nodes.list(clock.nowMs()) }),
    getNode: ({ params }) => read(params.nodeId),
    setNode: ({ params: { nodeId }, body }) => changed(nodeId, nodes.setSettings(nodeId, body)),
    drainNode: ({ params: { nodeId }, query }) =>
      changed(nodeId, nodes.setDrain(nodeId, query.now === 'true' ? 'now' : 'soft')),
    restoreNode: ({ params: { nodeId } }) => changed(nodeId, health.restore(nodeId)),
    undrainNode: ({ params: { nodeId } }) => changed(nodeId, nodes.setDrain(nodeId, 'no')),
  };
}
