import type { JobId } from '@karst/shared/protocol/ids.ts';
import { roomsOn } from '../preemption/kept-rooms.ts';
import type { EndingLease, GangNode } from '../scheduler/gang.ts';
import { capabilitiesFrom } from '../scheduler/node-capabilities.ts';
import type { FarmSettings } from '../settings/farm-settings.ts';
import type { FarmSurvey } from '../store/farm-survey.ts';
import type { ListedLease, NodeStanding } from '../store/node-store.ts';
import type { SpanStore } from '../store/span-store.ts';

/** How much longer a lease is thought to run of whose step no task has ended, ms. */
const UNKNOWN_MS = 10 * 60_000;

export interface GangNodesParts {
  settings: FarmSettings;
  spans: SpanStore;
  survey: FarmSurvey;
}

/** The nodes that take work, as they are for a gang. `endOf`: when a lease will likely end. */
export async function gangNodes(
  settings: FarmSettings,
  nodes: readonly NodeStanding[],
  nowMs: number,
  endOf: (lease: ListedLease) => Promise<number>,
): Promise<GangNode[]> {
  const read = nodes.map(async (node): Promise<GangNode | undefined> => {
    if (!node.takesWork) return undefined;
    const capabilities = capabilitiesFrom(node.name, node.inventory, node.settings);
    const admission = settings.admission(capabilities.pool, nowMs);
    if (admission === undefined) return undefined;
    const rooms = roomsOn(node.preempts, node.leases, nowMs);
    const leases = await Promise.all(
      node.leases.map(async (lease): Promise<EndingLease> => {
        return { resources: lease.resources, endsAtMs: await endOf(lease) };
      }),
    );
    const slotsFree = node.slots - leases.length - rooms.slots;
    const { nodeId } = node;
    return { nodeId, capabilities, admission, slotsFree, kept: rooms.held, leases };
  });
  return (await Promise.all(read)).filter((node) => node !== undefined);
}

/** Tells when leases will likely end, by how long their steps' tasks took; reads a step once. */
export function expectedEnds(
  { spans, survey }: GangNodesParts,
  nowMs: number,
): (lease: ListedLease) => Promise<number> {
  const known = new Map<string, Promise<number | undefined>>();
  const p90Of = (jobId: JobId, step: number): Promise<number | undefined> => {
    const name = `${jobId}/${step}`;
    const read =
      known.get(name) ??
      survey
        .times({ jobId, step })
        .then((times) => (times.count === 0 ? undefined : times.quantileMs(0.9)));
    known.set(name, read);
    return read;
  };
  return async (lease) => {
    const [p90Ms, span] = await Promise.all([
      p90Of(lease.jobId, lease.step),
      spans.readLease({ ...lease, epoch: 0 }),
    ]);
    if (p90Ms === undefined) return nowMs + UNKNOWN_MS;
    if (span?.state !== 'leased') return nowMs + p90Ms;
    const tasks = span.last - span.first + 1;
    // One that runs longer than nine of ten did is as likely to end soon as to go on.
    return Math.max(span.grantedAtMs + tasks * p90Ms, nowMs + p90Ms / 2);
  };
}
