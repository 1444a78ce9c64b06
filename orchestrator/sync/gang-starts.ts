import type { Clock } from '@karst/shared/clock.ts';
import type { GangReady, GangStart } from '@karst/shared/protocol/gang.ts';
import type { NodeId } from '@karst/shared/protocol/ids.ts';
import type { Logger } from 'pino';
import type { WakeBus } from '../dispatch/wake-bus.ts';
import type { GangStore } from '../store/gang-store.ts';
import type { NodeStore } from '../store/node-store.ts';

/** Hears of leases of gangs that are ready, and tells all to begin when the last one is. */
export class GangStarts {
  private readonly nodes: NodeStore;
  private readonly gangs: GangStore;
  private readonly bus: WakeBus;
  private readonly clock: Clock;
  private readonly logger: Logger;
  /** Called when a lease has ended on a node that keeps room for a gang, and when a node has come. */
  readonly roomFreed: () => void;

  constructor(parts: {
    nodes: NodeStore;
    gangs: GangStore;
    bus: WakeBus;
    clock: Clock;
    logger: Logger;
    roomFreed: () => void;
  }) {
    this.nodes = parts.nodes;
    this.gangs = parts.gangs;
    this.bus = parts.bus;
    this.clock = parts.clock;
    this.logger = parts.logger;
    this.roomFreed = parts.roomFreed;
  }

  /** Those of the leases whose gang begins, or has begun; of one that is over nothing is said. */
  async join(nodeId: NodeId, ready: readonly GangReady[]): Promise<GangStart[]> {
    const starts: GangStart[] = [];
    for (const { leaseId, host, port } of ready) {
      const lease = await this.nodes.lease(nodeId, leaseId);
      if (lease === undefined) continue;
      const at = { nodeId, host, port };
      const joined = await this.gangs.join(lease, at, this.clock.nowMs());
      if (joined.status !== 'started') continue;
      const { epoch, began, members } = joined;
      starts.push({
        leaseId,
        epoch,
        members: members.map((member) => {
          return { task: member.task, host: member.host, port: member.port };
        }),
      });
      if (!began) continue;
      const { jobId, step } = lease;
      this.logger.info({ job: jobId, step, epoch, tasks: members.length }, 'gang started');
      const others = new Set(members.map((member) => member.nodeId));
      others.delete(nodeId);
      for (const other of others) this.bus.send({ kind: 'node', nodeId: other, lost: [] });
    }
    return starts;
  }
}
