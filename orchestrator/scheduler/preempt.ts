import type { PriorityClass } from '@karst/shared/protocol/job.ts';
import type { Resources } from '@karst/shared/protocol/lease.ts';
import type { Capabilities } from './capabilities.ts';
import {
  cheapestVictims,
  classRank,
  compareVictims,
  type VictimLease,
  type Victims,
} from './cheapest-victims.ts';
import { leaseCost } from './cost.ts';
import { type Admission, NodeView } from './scheduler.ts';
import type { Shape } from './shape.ts';

/** What it costs to begin again, whatever was done: the session, the inputs, the application. */
const RESTART_MS = 10_000;

/** A node and what it runs. */
export interface BusyNode<L extends VictimLease> {
  readonly nodeId: string;
  readonly capabilities: Capabilities;
  readonly admission: Admission;
  readonly slotsFree: number;
  /** What leases that must not be ended hold, and room kept for others. */
  readonly held: readonly Resources[];
  /** Leases that may be ended, for somebody. */
  readonly leases: readonly L[];
}

/** A step that waits, and how many leases it could start at once. */
export interface Want {
  readonly studio: string;
  readonly priorityClass: PriorityClass;
  readonly shape: Shape;
  readonly count: number;
}

/** What a studio is guaranteed and what it holds, leases. */
export interface Claim {
  readonly guaranteed: number;
  readonly running: number;
}

/** One lease's room: these leases end, and what of the node is then kept for the want. */
export interface Eviction<W extends Want, L extends VictimLease> {
  readonly want: W;
  readonly nodeId: string;
  readonly leases: readonly L[];
  readonly resources: Resources | undefined;
}

interface Place<L extends VictimLease> {
  readonly node: BusyNode<L>;
  readonly view: NodeView;
  slotsFree: number;
  leases: readonly L[];
  /** Rank of the lowest class among them; infinity where there are none. */
  lowest: number;
}

/** Core-seconds lost when a lease ends whose unfinished work began `runMs` ago. */
export function lostCost(resources: Resources | undefined, runMs: number): number {
  const rate = resources && { vcpus: resources.vcpus, gpus: resources.gpus.length };
  return leaseCost(rate, Math.max(0, runMs) + RESTART_MS);
}

/**
 * Which leases to end so that steps that wait can start: those of lower classes, and, for a studio
 * below its guarantee, those of its own class of studios above theirs. A want that finds room gets it,
 * and nothing ends for it. Wants go in the order given; `claims` are studios by name, those left out
 * are guaranteed nothing and hold nothing. No more than `leasesMax` rooms are made.
 */
export function planPreemption<W extends Want, L extends VictimLease>(
  wants: readonly W[],
  nodes: readonly BusyNode<L>[],
  claims: ReadonlyMap<string, Claim>,
  leasesMax: number,
): Eviction<W, L>[] {
  const plan = new Plan<W, L>(nodes, claims);
  for (const want of wants) {
    for (let i = 0; i < want.count && plan.evictions.length < leasesMax; i++) {
      if (!plan.place(want)) break;
    }
  }
  return plan.evictions;
}

class Plan<W extends Want, L extends VictimLease> {
  readonly evictions: Eviction<W, L>[] = [];
  private readonly places: Place<L>[];
  private readonly claims: Map<string, Claim>;
  /** Where wants of a kind may run, by its name. */
  private readonly suiting = new Map<string, Place<L>[]>();
  /** Kinds of which no want has a place, as things stand. */
  private readonly hopeless = new Set<string>();

  constructor(nodes: readonly BusyNode<L>[], claims: ReadonlyMap<string, Claim>) {
    this.claims = new Map(claims);
    this.places = [...nodes]
      .sort((a, b) => (a.capabilities.name < b.capabilities.name ? -1 : 1))
      .map((node) => ({
        node,
        view: viewOf(node),
        slotsFree: node.slotsFree,
        leases: node.leases,
        lowest: lowestRank(node.leases),
      }));
  }

  /** Finds a place for one lease of the want, or makes one. False: there is none to be had. */
  place(want: W): boolean {
    const { shape, studio, priorityClass } = want;
    const kind = `${studio}/${priorityClass}/${shape.key}`;
    if (this.hopeless.has(kind)) return false;
    const isPlaced = this.placeIn(this.suitingFor(kind, want), want);
    if (!isPlaced) this.hopeless.add(kind);
    return isPlaced;
  }

  private suitingFor(kind: string, want: W): Place<L>[] {
    let suiting = this.suiting.get(kind);
    if (suiting === undefined) {
      suiting = this.places.filter(({ view }) => view.admits(want));
      this.suiting.set(kind, suiting);
    }
    return suiting;
  }

  private placeIn(suiting: readonly Place<L>[], want: W): boolean {
    const { shape } = want;
    const roomy = suiting.find(({ view, slotsFree }) => slotsFree > 0 && view.free.fits(shape));
    if (roomy !== undefined) {
      this.take(roomy, want, []);
      return true;
    }
    let best: { place: Place<L>; victims: Victims<L> } | undefined;
    for (const place of suiting) {
      const victims = this.victimsAt(place, want);
      if (victims === undefined) continue;
      if (best === undefined || compareVictims(victims, best.victims) < 0) {
        best = { place, victims };
      }
    }
    if (best === undefined) return false;
    const { place, victims } = best;
    const resources = this.take(place, want, victims.leases);
    const { nodeId } = place.node;
    this.evictions.push({ want, nodeId, leases: victims.leases, resources });
    return true;
  }

  private victimsAt(
    { view, slotsFree, leases, lowest }: Place<L>,
    want: W,
  ): Victims<L> | undefined {
    const isOwed = this.surplus(want.studio) < 0;
    const rank = classRank(want.priorityClass);
    if (isOwed ? lowest > rank : lowest >= rank) return undefined;
    const candidates = leases.filter((lease) => {
      const below = rank - classRank(lease.priorityClass);
      return below > 0 || (below === 0 && isOwed && this.surplus(lease.studio) > 0);
    });
    const { free } = view;
    const quota = (lease: L) =>
      classRank(lease.priorityClass) === rank
        ? { key: lease.studio, max: this.surplus(lease.studio) }
        : undefined;
    return cheapestVictims({ shape: want.shape, free, slotsFree, candidates, quota });
  }

  private take(place: Place<L>, want: W, ended: readonly L[]): Resources | undefined {
    for (const { resources, studio } of ended) {
      if (resources !== undefined) place.view.free.giveBack(resources);
      this.count(studio, -1);
    }
    if (ended.length > 0) {
      place.leases = place.leases.filter((lease) => !ended.includes(lease));
      place.lowest = lowestRank(place.leases);
    }
    // There may be room left for others, and studios stand elsewhere.
    this.hopeless.clear();
    place.slotsFree += ended.length - 1;
    this.count(want.studio, 1);
    return place.view.free.take(want.shape);
  }

  private count(studio: string, leases: number): void {
    const { guaranteed = 0, running = 0 } = this.claims.get(studio) ?? {};
    this.claims.set(studio, { guaranteed, running: running + leases });
  }

  /** Leases a studio holds above its guarantee; negative: it is owed some. */
  private surplus(studio: string): number {
    const { guaranteed = 0, running = 0 } = this.claims.get(studio) ?? {};
    return running - guaranteed;
  }
}

const lowestRank = (leases: readonly VictimLease[]): number =>
  leases.reduce(
    (lowest, { priorityClass }) => Math.min(lowest, classRank(priorityClass)),
    Number.POSITIVE_INFINITY,
  );

function viewOf<L extends VictimLease>({
  capabilities,
  admission,
  held,
  leases,
}: BusyNode<L>): NodeView {
  const used = leases.flatMap(({ resources }) => (resources === undefined ? [] : [resources]));
  return new NodeView(capabilities, [...held, ...used], new Map(), admission);
}
