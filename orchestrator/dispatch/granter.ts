import type { Clock } from '@karst/shared/clock.ts';
import { type LeaseId, newLeaseId } from '@karst/shared/protocol/ids.ts';
import type { Grant } from '@karst/shared/protocol/lease.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Logger } from 'pino';
import type { SpanQueue } from '../queue/span-queue.ts';
import type { NodeStore } from '../store/node-store.ts';
import type { SpanStore } from '../store/span-store.ts';
import type { Feeder } from './feeder.ts';
import type { RunnableStep, RunnableSteps } from './runnable-steps.ts';
import type { Ask } from './waiters.ts';

interface Taken {
  spanId: number;
  leaseId: LeaseId;
}

export interface GranterParts {
  runnable: RunnableSteps;
  feeder: Feeder;
  queue: SpanQueue;
  spans: SpanStore;
  nodes: NodeStore;
  clock: Clock;
  random: Random;
  logger: Logger;
  /** Told once when a job's first span is granted. */
  jobStarted(step: RunnableStep): void;
  /** Told of every grant. */
  granted(step: RunnableStep, grants: readonly Grant[]): void;
}

/**
 * Grants spans to a node, best step first. The order of writes makes every crash harmless:
 * 1. the span is taken from the queue (a crash leaves it locked there: the reconcile pass frees it),
 * 2. the lease is put on the node's list (a crash leaves an entry the node's next call clears),
 * 3. the span table grants it, atomically with its epoch (a crash before the answer leaves a lease
 *    that the node's next call is told of again).
 */
export class Granter {
  private readonly parts: GranterParts;

  constructor(parts: GranterParts) {
    this.parts = parts;
  }

  /** As many grants as wanted and there are. `stale`: the call was superseded and may get nothing. */
  async grant(ask: Ask): Promise<{ grants: Grant[]; stale: boolean }> {
    const grants: Grant[] = [];
    const skip = new Set<RunnableStep>();
    while (grants.length < ask.wanted) {
      const step = this.parts.runnable.best(skip);
      if (step === undefined) break;
      const wakes = step.wakes;
      const taken = await this.take(step, ask.wanted - grants.length);
      if (taken.length === 0) {
        if ((await this.parts.feeder.feed(step)) > 0) continue;
        // Found empty: dropped until something wakes it, unless that happened meanwhile.
        if (step.wakes === wakes) this.parts.runnable.remove(step);
        else skip.add(step);
        continue;
      }
      if (this.parts.feeder.isLow(step)) this.feedBehind(step);
      const outcome = await this.lease(ask, step, taken);
      if (outcome === 'stale') return { grants, stale: true };
      if (outcome === 'held') this.parts.runnable.remove(step);
      else grants.push(...outcome);
    }
    return { grants, stale: false };
  }

  private async take(step: RunnableStep, wanted: number): Promise<Taken[]> {
    const count = Math.max(1, Math.min(wanted, step.buffered));
    const tries = await Promise.all(
      Array.from({ length: count }, async () => {
        const leaseId = newLeaseId(this.parts.random);
        const spanId = await this.parts.queue.take(step, leaseId);
        return spanId === undefined ? undefined : { spanId, leaseId };
      }),
    );
    const taken = tries.filter((span) => span !== undefined);
    step.buffered = taken.length < count ? 0 : Math.max(step.buffered - count, 0);
    return taken;
  }

  private async lease(
    ask: Ask,
    step: RunnableStep,
    taken: Taken[],
  ): Promise<Grant[] | 'stale' | 'held'> {
    const { jobId } = step;
    const claimed = await this.parts.nodes.claim(
      ask.nodeId,
      ask.bootId,
      ask.seq,
      taken.map((span) => ({ ...span, jobId, step: step.step })),
    );
    const mine = taken.slice(0, claimed);
    await this.putBack(step, taken.slice(claimed));
    if (claimed === 0) return 'stale';
    const nowMs = this.parts.clock.nowMs();
    const reply = await this.parts.spans.grant(jobId, step.step, ask.nodeId, nowMs, mine);
    if (reply.status === 'held') {
      await this.release(ask, mine);
      await this.putBack(step, mine);
      return 'held';
    }
    if (reply.jobStarted) this.parts.jobStarted(step);
    const grants: Grant[] = [];
    const copies: Taken[] = [];
    for (const [i, span] of mine.entries()) {
      const granted = reply.spans[i];
      if (granted) grants.push({ ...span, ...granted, jobId, step: step.step });
      else copies.push(span);
    }
    if (copies.length > 0) await this.dropCopies(ask, step, copies);
    if (grants.length > 0) this.parts.granted(step, grants);
    return grants;
  }

  private feedBehind(step: RunnableStep): void {
    this.parts.feeder.feed(step).catch((error: Error) => {
      this.parts.logger.warn(
        { err: error.message, job: step.jobId },
        'feed failed; will be retried',
      );
    });
  }

  private async putBack(step: RunnableStep, spans: readonly Taken[]): Promise<void> {
    await Promise.all(
      spans.map(({ spanId, leaseId }) =>
        this.parts.queue.putBack({ jobId: step.jobId, step: step.step, spanId }, leaseId),
      ),
    );
    step.buffered += spans.length;
  }

  private async release(ask: Ask, spans: readonly Taken[]): Promise<void> {
    await this.parts.nodes.release(
      ask.nodeId,
      spans.map(({ leaseId }) => leaseId),
    );
  }

  /** Second copies of spans that run or are done: they leave the queue. */
  private async dropCopies(ask: Ask, step: RunnableStep, copies: readonly Taken[]): Promise<void> {
    await this.release(ask, copies);
    await Promise.all(
      copies.map(({ spanId, leaseId }) =>
        this.parts.queue.finish({ jobId: step.jobId, step: step.step, spanId }, leaseId),
      ),
    );
  }
}
