import type { Clock } from '@karst/shared/clock.ts';
import type { JobId, NodeId } from '@karst/shared/protocol/ids.ts';
import type { Logger } from 'pino';
import type { LeaseAccounts } from '../dispatch/lease-accounts.ts';
import type { Aftermath } from '../jobs/aftermath.ts';
import type { JobEvents } from '../jobs/job-events.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { SpanQueue } from '../queue/span-queue.ts';
import { packAttempt } from '../store/attempt-record.ts';
import type { ListedLease } from '../store/node-store.ts';
import type { Span, SpanStore } from '../store/span-store.ts';

export interface ExpiryParts {
  spans: SpanStore;
  accounts: LeaseAccounts;
  queue: SpanQueue;
  aftermath: Aftermath;
  events: JobEvents;
  metrics: Metrics;
  clock: Clock;
  logger: Logger;
}

/** Takes leases back from nodes that are gone; their spans wait for others. */
export class LeaseExpiry {
  private readonly parts: ExpiryParts;

  constructor(parts: ExpiryParts) {
    this.parts = parts;
  }

  async expire(nodeId: NodeId, leases: readonly ListedLease[], reason: string): Promise<void> {
    for (const lease of leases) await this.expireOne(nodeId, lease, reason, 'lost');
  }

  /** Takes back leases that were preempted and not given back in time: no fault is charged. */
  async takeBack(nodeId: NodeId, leases: readonly ListedLease[], reason: string): Promise<void> {
    for (const lease of leases) await this.expireOne(nodeId, lease, reason, 'preempted');
  }

  private async expireOne(
    nodeId: NodeId,
    lease: ListedLease,
    reason: string,
    outcome: 'lost' | 'preempted',
  ): Promise<void> {
    const { jobId, step, spanId, leaseId } = lease;
    const nowMs = this.parts.clock.nowMs();
    const isFault = outcome === 'lost';
    // A grant may be on its way: it must not come after the lease was struck off the list.
    const span = await this.parts.spans.voidLease({ ...lease, epoch: 0 });
    if (span?.state === 'leased') {
      const record = packAttempt({
        epoch: span.epoch,
        nodeId,
        outcome,
        startedAtMs: span.grantedAtMs,
        endedAtMs: nowMs,
        ...(isFault ? { failureKind: 'node', failureClass: 'node' } : {}),
        message: reason,
      });
      const { expired, requeued, runsOn, effects } = await this.parts.spans.expire(
        lease,
        nowMs,
        record,
        isFault,
      );
      if (expired) {
        this.parts.logger.info({ node: nodeId, job: jobId, step, spanId, reason }, 'lease expired');
        this.parts.metrics.leasesExpired(1);
        this.parts.metrics.attemptEnded(outcome, 'none');
        if (requeued) await this.parts.queue.putBack({ jobId, step }, [spanId]);
        await this.parts.aftermath.apply(jobId, step, effects);
        if (requeued) await this.parts.aftermath.spansQueued(jobId, step, []);
        if (!runsOn) await this.tell(jobId, step, span, requeued, isFault);
      }
    }
    // Last: while the lease stands on the list, a crash before this line only repeats the above.
    await this.parts.accounts.release(nodeId, [leaseId]);
  }

  /** Its tasks wait again, but for one that has now failed on too many nodes. */
  private async tell(
    jobId: JobId,
    step: number,
    { first, last }: Span,
    requeued: boolean,
    isFault: boolean,
  ): Promise<void> {
    const { events, spans } = this.parts;
    const nodes = isFault ? await spans.poisonedOn(jobId, step, first) : [];
    if (nodes.length === 0) {
      await events.tasksChanged(jobId, step, first, last, 'waiting', !isFault);
      return;
    }
    await events.tasksChanged(jobId, step, first, requeued ? first : last, 'failed');
    await events.poisoned(jobId, step, first, nodes);
    if (requeued) await events.tasksChanged(jobId, step, first + 1, last, 'waiting');
  }
}
