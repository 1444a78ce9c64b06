import type { Clock } from '@karst/shared/clock.ts';
import type { JobId, NodeId } from '@karst/shared/protocol/ids.ts';
import type { PrefetchHint } from '@karst/shared/protocol/node.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { RunnableStep } from '../dispatch/runnable-steps.ts';
import type { JobStore } from '../store/job-store.ts';
import type { PrefetchStore } from '../store/prefetch-store.ts';
import type { NodeRoster } from './node-roster.ts';

export interface AdviceParts {
  dispatcher: Pick<Dispatcher, 'likelyNext' | 'mayComeNext'>;
  roster: Pick<NodeRoster, 'view'>;
  jobs: Pick<JobStore, 'waitingTasks'>;
  prefetch: PrefetchStore;
  clock: Clock;
}

/** A busy node as it calls. */
export interface BusyNode {
  nodeId: NodeId;
  revision: number;
  warm: readonly JobId[];
}

interface Told {
  step: RunnableStep | undefined;
  toldAtMs: number;
  lookedAtMs: number;
}

/** A node is looked at again only so long after. */
const LOOK_MS = 2000;
/** A hint stays so long while what it tells may come, though something else is likelier now. */
const STAY_MS = 60_000;
/** Steps of which nothing waits that are looked behind. */
const EMPTY_STEPS_MAX = 8;
/** Long enough for any download; told anew after half of it. */
const TTL_MS = 3_600_000;

/**
 * Tells nodes that run something what they likely get next, so that they fetch its inputs meanwhile: the
 * step that would go first if all of the node were free. Nothing where that is more of what it runs, and
 * never to more nodes than tasks of the step wait. A guess: grants are decided by themselves.
 */
export class PrefetchAdvice {
  private readonly parts: AdviceParts;
  private readonly told = new Map<NodeId, Told>();
  /** How many tasks of a step wait, and when they were counted. */
  private readonly waiting = new WeakMap<RunnableStep, { tasks: number; atMs: number }>();
  private readonly nodesOf = new Map<RunnableStep, Set<NodeId>>();

  constructor(parts: AdviceParts) {
    this.parts = parts;
  }

  /** What to tell a node that could take nothing more; undefined: nothing new. */
  async ofBusy({ nodeId, revision, warm }: BusyNode): Promise<PrefetchHint[] | undefined> {
    const nowMs = this.parts.clock.monotonicMs();
    const before = this.told.get(nodeId);
    if (before !== undefined && nowMs - before.lookedAtMs < LOOK_MS) return undefined;
    if (before !== undefined) before.lookedAtMs = nowMs;
    if (before !== undefined && (await this.stays(nodeId, before, nowMs))) return undefined;
    const step = await this.likelyNext({ nodeId, revision, warm });
    const stands = before !== undefined && nowMs - before.toldAtMs < TTL_MS / 2;
    if (step === before?.step && (step === undefined || stands)) {
      if (before === undefined) this.note(nodeId, undefined, nowMs);
      return undefined;
    }
    this.note(nodeId, step, nowMs);
    if (step === undefined) {
      await this.parts.prefetch.withdraw(nodeId);
      return [];
    }
    const hint = { jobId: step.jobId, step: step.step };
    await this.parts.prefetch.tell(nodeId, hint, TTL_MS);
    return [hint];
  }

  /** A node that could take something and gets nothing, or is held back. */
  async ofIdle(nodeId: NodeId): Promise<PrefetchHint[] | undefined> {
    if (this.told.get(nodeId)?.step === undefined) return undefined;
    this.note(nodeId, undefined, this.parts.clock.monotonicMs());
    await this.parts.prefetch.withdraw(nodeId);
    return [];
  }

  private note(nodeId: NodeId, step: RunnableStep | undefined, nowMs: number): void {
    const before = this.told.get(nodeId)?.step;
    if (before !== undefined && before !== step) {
      const nodes = this.nodesOf.get(before);
      nodes?.delete(nodeId);
      if (nodes?.size === 0) this.nodesOf.delete(before);
    }
    if (step !== undefined) {
      const nodes = this.nodesOf.get(step) ?? new Set();
      this.nodesOf.set(step, nodes.add(nodeId));
    }
    this.told.set(nodeId, { step, toldAtMs: nowMs, lookedAtMs: nowMs });
  }

  /** Shares move with every grant: who follows each move would begin much and end nothing. */
  private async stays(nodeId: NodeId, { step, toldAtMs }: Told, nowMs: number): Promise<boolean> {
    if (step === undefined || nowMs - toldAtMs > STAY_MS) return false;
    const { dispatcher } = this.parts;
    return dispatcher.mayComeNext(nodeId, step) && (await this.waitingTasks(step)) > 0;
  }

  private async likelyNext({ nodeId, revision, warm }: BusyNode) {
    const view = await this.parts.roster.view(nodeId, revision, []);
    if (view === undefined) return undefined;
    const empty = new Set<RunnableStep>();
    while (empty.size < EMPTY_STEPS_MAX) {
      const likely = this.parts.dispatcher.likelyNext(nodeId, view, warm, empty);
      if (likely === undefined) return undefined;
      const waiting = await this.waitingTasks(likely.step);
      if (waiting === 0) {
        empty.add(likely.step);
        continue;
      }
      if (likely.isLast) return undefined;
      const nodes = this.nodesOf.get(likely.step);
      const isTold = nodes?.has(nodeId) === true || (nodes?.size ?? 0) < waiting;
      return isTold ? likely.step : undefined;
    }
    return undefined;
  }

  private async waitingTasks(step: RunnableStep): Promise<number> {
    const nowMs = this.parts.clock.monotonicMs();
    const counted = this.waiting.get(step);
    if (counted !== undefined && nowMs - counted.atMs < LOOK_MS) return counted.tasks;
    const tasks = await this.parts.jobs.waitingTasks(step.jobId, step.step);
    this.waiting.set(step, { tasks, atMs: nowMs });
    return tasks;
  }
}
