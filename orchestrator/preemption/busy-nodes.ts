import type { JobId, LeaseId, NodeId } from '@karst/shared/protocol/ids.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import type { Resources } from '@karst/shared/protocol/lease.ts';
import { classRank, type VictimLease } from '../scheduler/cheapest-victims.ts';
import { mismatches } from '../scheduler/match.ts';
import { capabilitiesFrom } from '../scheduler/node-capabilities.ts';
import { type BusyNode, lostCost, type Want } from '../scheduler/preempt.ts';
import type { FarmSettings } from '../settings/farm-settings.ts';
import { meanTaskMs, type StepRecord } from '../store/job-record.ts';
import type { JobStore } from '../store/job-store.ts';
import type { ListedLease, NodeStanding } from '../store/node-store.ts';
import type { SpanStore } from '../store/span-store.ts';
import { roomsOn } from './kept-rooms.ts';

/** A lease that may be ended, and what has to be known to end it. */
export interface RunningLease extends VictimLease {
  readonly leaseId: LeaseId;
  readonly grantedAtMs: number;
  readonly graceSeconds: number;
}

export interface BusyNodesParts {
  jobs: JobStore;
  spans: SpanStore;
  settings: FarmSettings;
  /** A lease that runs for less is left alone, ms. */
  minRunMs: number;
}

/** The nodes where one of the wants could run, with what may be ended there. */
export async function busyNodes(
  parts: BusyNodesParts,
  nodes: readonly NodeStanding[],
  wants: readonly Want[],
  nowMs: number,
): Promise<(BusyNode<RunningLease> & { nodeId: NodeId })[]> {
  const rank = Math.max(...wants.map((want) => classRank(want.priorityClass)));
  const isAnyOwed = [...parts.settings.shareSettings().values()].some(
    ({ guaranteedTasks }) => guaranteedTasks > 0,
  );
  const highest = isAnyOwed ? rank : rank - 1;
  const look = new Look(parts, highest, nowMs);
  const busy: (BusyNode<RunningLease> & { nodeId: NodeId })[] = [];
  for (const node of nodes) {
    if (!node.takesWork) continue;
    const capabilities = capabilitiesFrom(node.name, node.inventory, node.settings);
    const admission = parts.settings.admission(capabilities.pool, nowMs);
    if (admission === undefined) continue;
    if (wants.every(({ shape }) => mismatches(shape, capabilities).length > 0)) continue;
    const rooms = roomsOn(node.preempts, node.leases, nowMs);
    const isMarked = (leaseId: LeaseId) =>
      node.preempts.some(({ victims }) => victims.some((victim) => victim.leaseId === leaseId));
    const leases: RunningLease[] = [];
    const held: Resources[] = [...rooms.held];
    for (const lease of node.leases) {
      const victim = isMarked(lease.leaseId) ? undefined : await look.victim(lease);
      if (victim !== undefined) leases.push(victim);
      else if (lease.resources !== undefined) held.push(lease.resources);
    }
    const slotsFree = node.slots - node.leases.length - rooms.slots;
    busy.push({ nodeId: node.nodeId, capabilities, admission, slotsFree, held, leases });
  }
  return busy;
}

/** Reads jobs and steps once each for a decision. */
class Look {
  private readonly parts: BusyNodesParts;
  private readonly nowMs: number;
  private readonly highest: number;
  private readonly jobs = new Map<JobId, Promise<Job | undefined>>();
  private readonly steps = new Map<string, Promise<StepRecord | undefined>>();

  /** `highest`: rank of the highest class that may be ended for anyone. */
  constructor(parts: BusyNodesParts, highest: number, nowMs: number) {
    this.parts = parts;
    this.nowMs = nowMs;
    this.highest = highest;
  }

  /** Undefined: the lease must not be ended, or is only being granted or ended. */
  async victim(lease: ListedLease): Promise<RunningLease | undefined> {
    const job = await this.job(lease.jobId);
    if (job === undefined || !job.policy.preemptible) return undefined;
    if (classRank(job.policy.priorityClass) > this.highest) return undefined;
    const span = await this.parts.spans.readLease({ ...lease, epoch: 0 });
    if (span?.state !== 'leased') return undefined;
    const ranMs = this.nowMs - span.grantedAtMs;
    if (ranMs < this.parts.minRunMs) return undefined;
    const isGang = Object.values(job.policy.steps).some(({ gang }) => gang !== undefined);
    const record = span.last > span.first || isGang ? await this.record(lease) : undefined;
    // Of a span of several tasks, those that have ended are not lost, only the one that runs.
    const mean = span.last > span.first && record !== undefined ? meanTaskMs(record) : undefined;
    const lost = lostCost(lease.resources, mean === undefined ? ranMs : Math.min(ranMs, mean));
    // With one task of a gang all the others end.
    const fellows = record?.gang === undefined ? 1 : record.running;
    return {
      leaseId: lease.leaseId,
      studio: job.studio,
      priorityClass: job.policy.priorityClass,
      resources: lease.resources,
      lostCost: lost * fellows,
      grantedAtMs: span.grantedAtMs,
      graceSeconds: job.policy.preemptGraceSeconds,
    };
  }

  private job(jobId: JobId): Promise<Job | undefined> {
    const known = this.jobs.get(jobId);
    if (known !== undefined) return known;
    const read = this.parts.jobs.read(jobId);
    this.jobs.set(jobId, read);
    return read;
  }

  private record({ jobId, step }: ListedLease): Promise<StepRecord | undefined> {
    const name = `${jobId}/${step}`;
    const known = this.steps.get(name);
    if (known !== undefined) return known;
    const read = this.parts.jobs.step(jobId, step);
    this.steps.set(name, read);
    return read;
  }
}
