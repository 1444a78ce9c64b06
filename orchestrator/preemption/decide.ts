import type { Clock } from '@karst/shared/clock.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Logger } from 'pino';
import type { WakeBus } from '../dispatch/wake-bus.ts';
import { counterNames } from '../scheduler/counters.ts';
import { ROOMS_MAX } from '../scheduler/overdue.ts';
import { type Claim, type Eviction, planPreemption } from '../scheduler/preempt.ts';
import type { NodeStanding, NodeStore } from '../store/node-store.ts';
import type { Preempt } from '../store/preempt-record.ts';
import { type BusyNodesParts, busyNodes, type RunningLease } from './busy-nodes.ts';
import { overdueNow, type StepWant, type WantsParts, wantsOf } from './wants.ts';

/** How long room is kept after the last moment at which its leases are back, ms. */
const KEEP_MS = 15_000;

export interface DecideParts extends WantsParts, BusyNodesParts {
  nodes: NodeStore;
  bus: WakeBus;
  clock: Clock;
  random: Random;
  logger: Logger;
  livenessMs: number;
}

/**
 * Ends leases so that steps that have waited long enough can start; one replica at a time. Nothing is
 * read of the farm while no step waits for that.
 */
export async function decide(parts: DecideParts): Promise<void> {
  const steps = overdueNow(parts);
  if (steps.length === 0) return;
  const token = parts.random.uuid();
  let marks = 0;
  try {
    if (!(await parts.preempts.lock(token))) return;
    marks = await decideAlone(parts, steps).finally(() => parts.preempts.unlock(token));
  } finally {
    // Those that can't be helped now may be later: a node goes, or a lease has run long enough.
    parts.waiting.again(marks > 0);
  }
}

async function decideAlone(
  parts: DecideParts,
  steps: ReturnType<typeof overdueNow>,
): Promise<number> {
  const nowMs = parts.clock.nowMs();
  const ids = await parts.nodes.onClock();
  const standing = await Promise.all(ids.map((id) => parts.nodes.standing(id, nowMs)));
  const nodes = standing.filter((node) => node !== undefined);
  const rooms = nodes.flatMap(({ preempts }) => preempts);
  const underWay = ({ jobId, step }: { jobId: JobId; step: number }) =>
    rooms.filter((room) => room.jobId === jobId && room.step === step).length;
  const wants = await wantsOf(parts, steps, underWay, ROOMS_MAX);
  if (wants.length === 0) return 0;
  const busy = await busyNodes(parts, nodes, wants, nowMs);
  const studios = new Set([
    ...wants.map(({ studio }) => studio),
    ...busy.flatMap(({ leases }) => leases.map(({ studio }) => studio)),
  ]);
  const claims = await claimsOf(parts, [...studios], rooms, nodes);
  let marks = 0;
  for (const eviction of planPreemption(wants, busy, claims, ROOMS_MAX)) {
    const node = nodes.find(({ nodeId }) => nodeId === eviction.nodeId);
    if (node !== undefined && (await mark(parts, eviction, node, nowMs))) marks += 1;
  }
  return marks;
}

/** What studios are guaranteed, and hold once what is under way is done. */
async function claimsOf(
  { ledger, settings }: DecideParts,
  studios: readonly string[],
  rooms: readonly Preempt[],
  nodes: readonly NodeStanding[],
): Promise<Map<string, Claim>> {
  const held = await ledger.counts(studios.map(counterNames.studioTasks));
  const listed = new Set(nodes.flatMap(({ leases }) => leases.map(({ leaseId }) => leaseId)));
  return new Map(
    studios.map((studio, i) => {
      const coming = rooms.filter((room) => room.studio === studio).length;
      const going = rooms
        .flatMap(({ victims }) => victims)
        .filter((victim) => victim.studio === studio && listed.has(victim.leaseId)).length;
      const guaranteed = settings.shareSettings().get(studio)?.guaranteedTasks ?? 0;
      return [studio, { guaranteed, running: (held[i] ?? 0) + coming - going }];
    }),
  );
}

async function mark(
  { preempts, bus, random, logger, livenessMs }: DecideParts,
  { want, leases, resources }: Eviction<StepWant, RunningLease>,
  node: NodeStanding,
  nowMs: number,
): Promise<boolean> {
  const { nodeId } = node;
  const { jobId, step } = want.runnable;
  const graceSeconds = Math.max(...leases.map((lease) => lease.graceSeconds));
  const backByMs = nowMs + graceSeconds * 1000 + livenessMs;
  const isOwed = leases.some(({ priorityClass }) => priorityClass === want.priorityClass);
  const preempt: Preempt = {
    id: random.uuid(),
    jobId,
    step,
    studio: want.studio,
    priorityClass: want.priorityClass,
    reason: isOwed ? 'guarantee' : 'class',
    victims: leases.map((lease) => ({
      leaseId: lease.leaseId,
      studio: lease.studio,
      priorityClass: lease.priorityClass,
      grantedAtMs: lease.grantedAtMs,
      graceSeconds: lease.graceSeconds,
    })),
    ...(resources === undefined ? {} : { resources }),
    backByMs,
    keptUntilMs: backByMs + KEEP_MS,
  };
  const others = node.leases
    .map(({ leaseId }) => leaseId)
    .filter((leaseId) => !leases.some((lease) => lease.leaseId === leaseId));
  if (!(await preempts.mark(nodeId, preempt, others))) return false;
  const ended = leases.map(({ leaseId }) => leaseId);
  logger.info({ node: nodeId, leases: ended, job: jobId, step }, 'leases preempted');
  bus.send({ kind: 'node', nodeId, lost: [] });
  return true;
}
