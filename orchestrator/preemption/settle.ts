import type { Clock } from '@karst/shared/clock.ts';
import type { NodeId } from '@karst/shared/protocol/ids.ts';
import type { WakeBus } from '../dispatch/wake-bus.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { startable } from '../store/job-record.ts';
import type { JobStore } from '../store/job-store.ts';
import type { ListedLease, NodeStore } from '../store/node-store.ts';
import { type Preempt, preemptMessage } from '../store/preempt-record.ts';
import type { PreemptStore } from '../store/preempt-store.ts';
import type { LeaseExpiry } from '../sync/lease-expiry.ts';

export interface SettleParts {
  nodes: NodeStore;
  jobs: JobStore;
  preempts: PreemptStore;
  expiry: LeaseExpiry;
  bus: WakeBus;
  metrics: Metrics;
  clock: Clock;
}

/**
 * Ends what marks left: leases that were not given back in time are taken back, and room is kept no
 * longer that nobody waits for, or that was not used in time. Harmless when replicas do it at once.
 */
export async function settlePreempts(parts: SettleParts): Promise<void> {
  for (const nodeId of await parts.preempts.nodes()) {
    const node = await parts.nodes.standing(nodeId, parts.clock.nowMs());
    if (node === undefined || node.preempts.length === 0) {
      await parts.preempts.unlist(nodeId);
      continue;
    }
    for (const preempt of node.preempts) await settleOne(parts, nodeId, preempt, node.leases);
  }
}

async function settleOne(
  parts: SettleParts,
  nodeId: NodeId,
  preempt: Preempt,
  leases: readonly ListedLease[],
): Promise<void> {
  const { victims, backByMs, keptUntilMs, reason, jobId, step, id } = preempt;
  const nowMs = parts.clock.nowMs();
  const late = leases.filter((lease) => victims.some(({ leaseId }) => leaseId === lease.leaseId));
  if (late.length > 0) {
    if (nowMs < backByMs) return;
    await parts.expiry.takeBack(
      nodeId,
      late,
      `${preemptMessage(preempt)} (not given back in time)`,
    );
    for (const { leaseId } of late) {
      const victim = victims.find((one) => one.leaseId === leaseId);
      if (victim !== undefined && reason !== 'gang') {
        parts.metrics.preempted(victim.priorityClass, reason);
      }
    }
    parts.bus.send({ kind: 'node', nodeId, lost: late.map(({ leaseId }) => leaseId) });
    return;
  }
  const isUnused = nowMs >= keptUntilMs;
  if (!isUnused && (await isWaiting(parts, preempt))) return;
  if (isUnused) await parts.preempts.pause(jobId, step);
  await parts.preempts.end(nodeId, id);
  // Its parked call still keeps the room.
  parts.bus.send({ kind: 'node', nodeId, lost: [] });
}

async function isWaiting({ jobs }: SettleParts, { jobId, step }: Preempt): Promise<boolean> {
  const [job, record] = await Promise.all([jobs.read(jobId), jobs.step(jobId, step)]);
  if (job?.state !== 'pending' && job?.state !== 'running') return false;
  return record !== undefined && startable(record);
}
