import type { Clock } from '@karst/shared/clock.ts';
import { taskStateSchema } from '@karst/shared/protocol/job.ts';
import type { Redis } from '../store/connection.ts';
import type { JobStore } from '../store/job-store.ts';
import type { NodeStore } from '../store/node-store.ts';
import type { StorageUseStore } from '../store/storage-use-store.ts';
import type { SuspiciousStore } from '../store/suspicious-store.ts';
import type { FarmGauges } from './metrics.ts';

/** The farm's gauges, read on each scrape: jobs that have not ended, and every node. */
export function farmGauges({
  redis,
  jobs,
  nodes,
  suspicious,
  storageUse,
  clock,
}: {
  redis: Redis;
  jobs: JobStore;
  nodes: NodeStore;
  suspicious: SuspiciousStore;
  storageUse: StorageUseStore;
  clock: Clock;
}): () => Promise<FarmGauges> {
  return async () => {
    if (redis.status !== 'ready') return { redisUp: false };
    const tasks = { waiting: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 };
    const states = { pending: 0, running: 0, paused: 0, succeeded: 0, failed: 0, canceled: 0 };
    for (const id of await jobs.activeIds()) {
      const job = await jobs.read(id);
      if (job === undefined) continue;
      states[job.state] += 1;
      for (const state of taskStateSchema.options) tasks[state] += job.taskCounts[state];
    }
    const nodeStates = { online: 0, draining: 0, quarantined: 0, offline: 0 };
    const gpus = { busy: 0, idle: 0, offline: 0 };
    const heartbeats = new Map<string, number>();
    for (const node of await nodes.list(clock.nowMs())) {
      nodeStates[node.state] += 1;
      const count = node.inventory?.gpus.length ?? 0;
      if (node.state === 'offline') gpus.offline += count;
      else gpus[node.leaseCount > 0 ? 'busy' : 'idle'] += count;
      if (node.lastSyncAt !== undefined) {
        heartbeats.set(node.id, Date.parse(node.lastSyncAt) / 1000);
      }
    }
    const { inputs, outputs, other } = await storageUse.ofAll();
    return {
      redisUp: true,
      tasks,
      jobs: states,
      nodes: nodeStates,
      gpus,
      nodeLastHeartbeatSeconds: heartbeats,
      storageBytes: { inputs: inputs.bytes, outputs: outputs.bytes, other: other.bytes },
      suspiciousFrames: await suspicious.counts(),
    };
  };
}
