import type { Clock } from '@karst/shared/clock.ts';
import type { NodeId } from '@karst/shared/protocol/ids.ts';
import type { Node } from '@karst/shared/protocol/node.ts';
import { isWithinSchedule } from '@karst/shared/schedule/within-schedule.ts';
import type { RunnableStep } from '../dispatch/runnable-steps.ts';
import { roomsOn } from '../preemption/kept-rooms.ts';
import type { Budgets } from '../scheduler/budgets.ts';
import type { Counter } from '../scheduler/counters.ts';
import type { FarmFacts } from '../scheduler/explain.ts';
import type { LedgerView } from '../scheduler/full-limits.ts';
import { capabilitiesFrom, unknownCapabilities } from '../scheduler/node-capabilities.ts';
import { type NodeFacts, Standings } from '../scheduler/node-standing.ts';
import type { RunningMeans } from '../scheduler/outlook.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { FarmSettings } from '../settings/farm-settings.ts';
import type { FarmSurvey, StepPlace } from '../store/farm-survey.ts';
import type { Ledger } from '../store/ledger.ts';
import type { ListedLease, NodeStore } from '../store/node-store.ts';

export interface FarmParts {
  scheduler: Scheduler<RunnableStep>;
  nodes: NodeStore;
  survey: FarmSurvey;
  ledger: Ledger;
  budgets: Budgets;
  settings: FarmSettings;
  clock: Clock;
}

export interface Farm extends FarmFacts<RunnableStep> {
  /** Mean run times of what runs on each node, in the order of the nodes. */
  readonly running: RunningMeans;
}

const nameOf = ({ jobId, step }: StepPlace) => `${jobId}/${step}`;

/**
 * The farm at this moment: nodes and counts from storage, so that any replica can tell of every node,
 * and the order of the waiting steps as this replica ranks them. Cost O(nodes + leases + steps that wait).
 */
export async function readFarm(
  parts: FarmParts,
  counters: readonly Counter[],
  only?: NodeId,
): Promise<Farm> {
  const nowMs = parts.clock.nowMs();
  const { ranking } = parts.scheduler;
  const read = await readNodes(parts, nowMs, only);
  const nodes = read.map(({ facts }) => facts);
  const steps = [...ranking.steps()];
  const places = new Map<string, StepPlace>();
  for (const step of [...steps, ...read.flatMap(({ leases }) => leases)]) {
    places.set(nameOf(step), step);
  }
  const names = [...places.keys()];
  const [loads, ledger] = await Promise.all([
    parts.survey.loads([...places.values()]),
    ledgerView(parts.ledger, counters, nodes),
  ]);
  const byName = new Map(names.map((name, i) => [name, loads[i]]));
  return {
    standings: new Standings(nodes),
    ranking,
    ledger,
    budgets: parts.budgets,
    load: (step) => byName.get(nameOf(step)),
    keptFor: (node) => parts.scheduler.keptFor(node, nowMs),
    leftTo: (step, nodeId) => step.leftAlone.get(nodeId) === step.wakes,
    nowMs,
    running: read.map(({ leases }) =>
      leases
        .map((lease) => byName.get(nameOf(lease))?.meanTaskMs)
        .filter((meanMs) => meanMs !== undefined),
    ),
  };
}

interface ReadNode {
  facts: NodeFacts;
  leases: ListedLease[];
}

async function readNodes(
  { nodes, survey, settings }: FarmParts,
  nowMs: number,
  only: NodeId | undefined,
): Promise<ReadNode[]> {
  const ids = only === undefined ? await survey.nodeIds() : [only];
  const read = await Promise.all(
    ids.map(async (nodeId) => {
      const [node, leases] = await Promise.all([nodes.read(nodeId, nowMs), nodes.leases(nodeId)]);
      if (node === undefined) return undefined;
      const preempts = node.preempting === undefined ? [] : await nodes.preempts(nodeId);
      const gangs = preempts.filter(({ reason }) => reason === 'gang');
      const { slots, held } = roomsOn(gangs, leases, nowMs);
      const facts = factsOf(node, leases, settings, nowMs);
      const keptForGangs = { slots, resources: held };
      return { facts: slots === 0 ? facts : { ...facts, keptForGangs }, leases };
    }),
  );
  return read.filter((node) => node !== undefined);
}

function factsOf(
  node: Node,
  leases: readonly ListedLease[],
  settings: FarmSettings,
  nowMs: number,
): NodeFacts {
  const pool = settings.poolSettings().get(node.pool);
  const closed = pool?.schedule !== undefined && !isWithinSchedule(pool.schedule, nowMs);
  const outside = node.schedule !== undefined && !isWithinSchedule(node.schedule, nowMs);
  return {
    nodeId: node.id,
    capabilities:
      node.inventory === undefined
        ? unknownCapabilities(node.name)
        : capabilitiesFrom(node.name, node.inventory, node),
    online: node.state !== 'offline',
    hold:
      node.drainReason === undefined
        ? undefined
        : { kind: holdKind(node, outside), reason: node.drainReason },
    message: node.message,
    // On probation it gets one lease at a time.
    slots: node.quarantined?.probation === true ? Math.min(node.slots, 1) : node.slots,
    leaseCount: leases.length,
    used: leases.flatMap(({ resources }) => (resources === undefined ? [] : [resources])),
    admission: pool ?? {},
    poolClosed: closed,
  };
}

function holdKind({ state }: Node, outside: boolean): NonNullable<NodeFacts['hold']>['kind'] {
  if (state === 'quarantined') return 'quarantined';
  return outside ? 'outside_schedule' : 'draining';
}

/** Counts of the counters that have a ceiling; of those that count nodes and are full, also which. */
async function ledgerView(
  ledger: Ledger,
  counters: readonly Counter[],
  nodes: readonly NodeFacts[],
): Promise<LedgerView> {
  const ceilings = await ledger.ceilings();
  const limited = new Map(
    counters.flatMap((counter) => (ceilings.has(counter.name) ? [[counter.name, counter]] : [])),
  );
  const names = [...limited.keys()];
  const found = await ledger.counts(names);
  const counts = new Map(names.map((name, i) => [name, found[i] ?? 0]));
  const full = names.filter(
    (name) =>
      limited.get(name)?.host === true && (counts.get(name) ?? 0) >= (ceilings.get(name) ?? 0),
  );
  const hosts = new Map<string, ReadonlySet<string>>();
  for (const name of full) {
    hosts.set(
      name,
      await ledger.countedOn(
        name,
        nodes.map(({ nodeId }) => nodeId),
      ),
    );
  }
  return {
    count: (name) => counts.get(name) ?? 0,
    max: (name) => ceilings.get(name),
    countsOn: (name, nodeId) => hosts.get(name)?.has(nodeId) ?? true,
  };
}
