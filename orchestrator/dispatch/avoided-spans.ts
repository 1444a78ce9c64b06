import type { LeaseId, NodeId } from '@karst/shared/protocol/ids.ts';
import type { Resources } from '@karst/shared/protocol/lease.ts';
import type { RunnableStep } from './runnable-steps.ts';

/** A span taken from the queue, under the lease it may get. */
export interface Taken {
  spanId: number;
  leaseId: LeaseId;
  resources: Resources | undefined;
}

interface Held {
  spans: Taken[];
  tries: number;
  /** How often the step had been woken when the first was taken. */
  wakes: number;
  /** Whether there was something else for the node. */
  granted: boolean;
}

/** How often a node looks behind spans that it must not have, in one call. */
const TRIES_MAX = 3;

/**
 * Spans whose tasks failed on the node that asks. They are kept in hand while it looks for others of the
 * step behind them, and then left to other nodes. What it found of no use, it leaves alone until
 * something wakes the step: else putting back and taking would follow each other for ever.
 */
export class AvoidedSpans {
  private readonly nodeId: NodeId;
  private readonly byStep = new Map<RunnableStep, Held>();

  constructor(nodeId: NodeId) {
    this.nodeId = nodeId;
  }

  get isEmpty(): boolean {
    return this.byStep.size === 0;
  }

  /** Whether the node found nothing else in the step since it was last woken. */
  isLeftAlone(step: RunnableStep): boolean {
    return step.leftAlone.get(this.nodeId) === step.wakes;
  }

  hold(step: RunnableStep, spans: readonly Taken[]): void {
    const fresh = { spans: [], tries: 0, wakes: step.wakes, granted: false };
    const held = this.byStep.get(step) ?? fresh;
    held.spans.push(...spans);
    held.tries += 1;
    this.byStep.set(step, held);
  }

  /** How many of a step are in hand. */
  heldOf(step: RunnableStep): number {
    return this.byStep.get(step)?.spans.length ?? 0;
  }

  /** Whether it is worth while to look for more of the step, after a look that granted nothing. */
  mayTryOn(step: RunnableStep): boolean {
    const held = this.byStep.get(step);
    return held !== undefined && held.tries <= TRIES_MAX;
  }

  /** The node got something else of the step. */
  granted(step: RunnableStep): void {
    const held = this.byStep.get(step);
    if (held !== undefined) held.granted = true;
  }

  /** Lets go of everything; the caller puts it back. */
  *leave(): Generator<[RunnableStep, Taken[]]> {
    for (const [step, { spans, wakes, granted }] of this.byStep) {
      if (!granted) step.leftAlone.set(this.nodeId, wakes);
      yield [step, spans];
    }
    this.byStep.clear();
  }
}
