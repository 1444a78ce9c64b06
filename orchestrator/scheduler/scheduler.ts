import type { PriorityClass } from '@karst/shared/protocol/job.ts';
import type { Resources } from '@karst/shared/protocol/lease.ts';
import type { Capabilities } from './capabilities.ts';
import { entryMs, leaseCost } from './cost.ts';
import { FreeResources } from './free.ts';
import { mismatches } from './match.ts';
import { GANG_GATE, Ranking, type WaitingStep } from './ranking.ts';
import type { Shape } from './shape.ts';
import type { Shares } from './shares.ts';

/** Whose jobs a node's pool lets in. */
export interface Admission {
  readonly studios?: readonly string[] | undefined;
  readonly classes?: readonly PriorityClass[] | undefined;
  /** Only jobs that name the pool. */
  readonly exclusive?: boolean | undefined;
}

/** What a pool looks at, and where a step may run. */
export type Asker = Pick<WaitingStep, 'shape' | 'studio' | 'priorityClass'>;

/** A node at the moment it asks. */
export class NodeView {
  readonly capabilities: Capabilities;
  readonly admission: Admission;
  readonly free: FreeResources;
  private readonly matching: Map<string, boolean>;

  /** `matching` outlives the view: which shapes suit the node, decided once for each. */
  constructor(
    capabilities: Capabilities,
    held: readonly Resources[],
    matching: Map<string, boolean> = new Map(),
    admission: Admission = {},
  ) {
    this.capabilities = capabilities;
    this.admission = admission;
    this.free = new FreeResources(capabilities, held);
    this.matching = matching;
  }

  /** Whether tasks of the shape can run here at all. */
  suits(shape: Shape): boolean {
    const known = this.matching.get(shape.key);
    if (known !== undefined) return known;
    const admitted = !this.admission.exclusive || shape.placement.pool !== undefined;
    const suits = admitted && mismatches(shape, this.capabilities).length === 0;
    this.matching.set(shape.key, suits);
    return suits;
  }

  /** Whether tasks of such a step can run here at all: its shape suits, and the pool takes them. */
  admits({ studio, priorityClass, shape }: Asker): boolean {
    const { studios, classes } = this.admission;
    if (studios !== undefined && !studios.includes(studio)) return false;
    if (classes !== undefined && !classes.includes(priorityClass)) return false;
    return this.suits(shape);
  }

  /** Whether a lease of the shape can start here now. */
  takes(shape: Shape): boolean {
    return this.suits(shape) && this.free.fits(shape);
  }
}

/** A step whose turn it is and that has found no room for this long is starved. */
const STARVED_MS = 5 * 60_000;
/** A node kept for a step that does not ask for so long serves others again. */
const KEPT_MS = 2 * 60_000;

/** Estimated at grant, corrected at the end. */
export interface Charge {
  readonly studio: string;
  readonly project: string;
  /** Core-seconds charged so far. */
  readonly cost: number;
}

/**
 * The policy: who gets the next lease of a node. Pure: time and facts come in, choices go out. The
 * orchestrator's dispatch and the simulator run this same code.
 */
export class Scheduler<S extends WaitingStep> {
  readonly shares: Shares;
  readonly ranking: Ranking<S>;
  /** Nodes whose room is kept until a starved step fits. */
  private readonly kept = new Map<S, { node: string; untilMs: number }>();

  constructor(shares: Shares) {
    this.shares = shares;
    this.ranking = new Ranking<S>(shares);
    this.ranking.shut(GANG_GATE);
  }

  /**
   * Who goes first on this node. `prefer`: what it ran last, then what it has the inputs of; the first of
   * them that is as good is taken. With `nowMs`, a
   * step whose turn it is and that has long found every node too full gets one that is given nothing
   * else until it fits: small tasks would else fill each gap for ever.
   */
  choose(node: NodeView, skip?: Iterable<S>, prefer?: Iterable<S>, nowMs?: number): S | undefined {
    const { studios, classes } = node.admission;
    const allowed = { studios, classes, skip };
    if (nowMs !== undefined) {
      const first = this.ranking.best({ ...allowed, feasible: (shape) => node.suits(shape) });
      if (first === undefined) return undefined;
      if (!node.takes(first.shape) && this.keepsRoom(node, first, nowMs)) return undefined;
    }
    const feasible = (shape: Shape) => node.takes(shape);
    return this.ranking.best({ ...allowed, feasible, prefer });
  }

  /** Whether the node's room is kept for a step that it can run, but not now. One node a step. */
  private keepsRoom(node: NodeView, step: S, nowMs: number): boolean {
    step.servedAtMs ??= nowMs;
    if (nowMs - step.servedAtMs < STARVED_MS) {
      this.kept.delete(step);
      return false;
    }
    const { name } = node.capabilities;
    const kept = this.kept.get(step);
    if (kept !== undefined && kept.node !== name && kept.untilMs > nowMs) return false;
    if (kept?.node !== name) this.forgetKept(nowMs);
    this.kept.set(step, { node: name, untilMs: nowMs + KEPT_MS });
    return true;
  }

  /** The starved step that a node's room is kept for, as far as this replica knows. */
  keptFor(node: string, nowMs: number): S | undefined {
    for (const [step, kept] of this.kept) {
      if (kept.node === node && kept.untilMs > nowMs && this.ranking.has(step)) return step;
    }
    return undefined;
  }

  private forgetKept(nowMs: number): void {
    for (const [step, { untilMs }] of this.kept) if (untilMs <= nowMs) this.kept.delete(step);
  }

  /** A lease began: its studio is charged at once, so that what it asks next weighs in. */
  begun(step: S, tasks: number, meanTaskMs: number | undefined, nowMs: number): Charge {
    step.servedAtMs = nowMs;
    const cost = leaseCost(step.shape.demand, entryMs(tasks, meanTaskMs));
    this.account(step, cost, 1, nowMs);
    return { studio: step.studio, project: step.project, cost };
  }

  /** A lease ended after `ms`: what it was charged is made what it took. Answers the correction. */
  ended(step: S, charge: Charge, ms: number, nowMs: number): number {
    const correction = leaseCost(step.shape.demand, ms) - charge.cost;
    this.account(step, correction, -1, nowMs);
    return correction;
  }

  /** Moves usage and leases of a studio and its project; both stand where they belong afterwards. */
  account(
    owner: Pick<WaitingStep, 'studio' | 'project'>,
    cost: number,
    leases: number,
    nowMs: number,
  ): void {
    for (const account of [this.ranking.studioAccount(owner), this.ranking.projectAccount(owner)]) {
      account.running = Math.max(0, account.running + leases);
      if (cost !== 0) this.shares.charge(account, cost, nowMs);
    }
    this.ranking.reorder(owner.studio, owner.project);
  }
}
