import type { Clock } from '@karst/shared/clock.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import { ErrorCode, type IQueueBackend, Job as QueueJob, Worker } from 'bullmq';
import type { Logger } from 'pino';
import type { Redis } from '../store/connection.ts';
import { keys, type SpanRef } from '../store/keys.ts';
import { type Offer, offerId, offerOf, offersOf } from './offer.ts';

/**
 * BullMQ's lock on an offer that was taken. It is held for the moment until the offer is finished: one
 * whose taker died in between is offered again by BullMQ's own stalled check, or sooner by the
 * reconcile pass.
 */
const LOCK_MS = 60_000;

/** BullMQ keeps a delayed job by its time in ms times this. */
const DELAY_SCALE = 0x1000;

type StepRef = { jobId: JobId; step: number };

/** What stands on a step's queue, by span. */
export interface QueueLook {
  /** Spans that wait for a node. */
  ready: ReadonlySet<number>;
  /** When spans that wait for their time are due, ms since the epoch. */
  delayed: ReadonlyMap<number, number>;
  /** Spans in an offer that was taken and not finished yet, with that offer's id. */
  taken: ReadonlyMap<number, string>;
}

/**
 * The BullMQ side of dispatch: one queue per step, one BullMQ job for each offer of spans. An offer is
 * taken, finished at once, and its spans granted: the queue says what waits and in which order, the span
 * table what runs. A projection of that table: a span may be queued twice or not at all after a crash,
 * and every caller copes with both. One connection serves every queue through sibling backends, so a
 * step costs no connection.
 */
export class SpanQueue {
  private readonly anchor: Worker;
  private readonly backends = new Map<string, IQueueBackend>();
  private readonly clock: Clock;
  private readonly logger: Logger;

  private readonly connection: Redis;

  constructor(connection: Redis, clock: Clock, logger: Logger) {
    this.connection = connection;
    this.clock = clock;
    this.logger = logger;
    this.anchor = new Worker('anchor', null, {
      connection,
      prefix: 'karst:{anchor}:queue',
      autorun: false,
      lockDuration: LOCK_MS,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    });
    this.anchor.on('error', (error) => logger.warn({ err: error.message }, 'bullmq error'));
  }

  private backend({ jobId, step }: StepRef): IQueueBackend {
    const name = `${jobId}/${step}`;
    const known = this.backends.get(name);
    if (known !== undefined) return known;
    const made = this.anchor.getBackend().forQueue(String(step), keys.queuePrefix(jobId));
    this.backends.set(name, made);
    return made;
  }

  /** Keeps BullMQ's event stream of a step from growing; call once when the step becomes ready. */
  async prepare(step: StepRef): Promise<void> {
    await this.backend(step).setQueueMeta({ 'opts.maxLenEvents': 1 });
  }

  /**
   * Queues spans, at most `offerSpans` of them to be taken together. A pipeline, not a transaction: a
   * crash in the middle leaves some unqueued, which the reconcile pass mends. An offer that is on the
   * queue already is left alone.
   */
  async add(
    step: StepRef,
    spanIds: readonly number[],
    { delayMs = 0, offerSpans = 1 }: { delayMs?: number; offerSpans?: number } = {},
  ): Promise<void> {
    const opts = { delay: delayMs };
    await this.addOffers(step, offersOf(spanIds, offerSpans), opts);
  }

  /** Lets spans wait again, first in line and in the order given. */
  async putBack(step: StepRef, spanIds: readonly number[], offerSpans = 1): Promise<void> {
    // Each goes before the one that came before it.
    const offers = offersOf(spanIds, offerSpans).reverse();
    await this.addOffers(step, offers, { lifo: true });
  }

  private async addOffers(
    step: StepRef,
    offers: readonly Offer[],
    opts: { delay?: number; lifo?: boolean },
  ): Promise<void> {
    if (offers.length === 0) return;
    await this.backend(step).addJobs(
      offers.map(({ id }) => ({ jobId: id, job: this.queueJob(id, opts).asJSON() })),
    );
  }

  /** The offer's BullMQ job. Its data is empty: the span table says what is in a span. */
  private queueJob(id: string, opts: { delay?: number; lifo?: boolean }): QueueJob {
    const timestamp = this.clock.nowMs();
    return new QueueJob(this.anchor, 's', {}, { ...opts, timestamp, removeOnComplete: true }, id);
  }

  /** Takes the next offer under a lock token; undefined when none waits. It is to be finished soon. */
  async take(step: StepRef, token: string): Promise<Offer | undefined> {
    const [, id] = await this.backend(step).moveToActive(token);
    return typeof id === 'string' && id !== '' ? offerOf(id) : undefined;
  }

  /** Ends an offer that was taken. */
  async finish(step: StepRef, id: string, token: string): Promise<void> {
    const backend = this.backend(step);
    try {
      await backend.moveToCompleted(this.queueJob(id, {}), null, true, token, false);
    } catch (error) {
      if (!lockLost(error)) throw error;
      // The lock expired, or the offer is gone: what is left of it must not stay on the queue.
      await backend.remove(id, false);
    }
  }

  /**
   * Takes a span that is gone off the queue where it waits alone. One that is taken is dropped when it
   * turns out to be gone.
   */
  async drop({ spanId, ...step }: SpanRef): Promise<void> {
    await this.backend(step).remove(offerId(spanId), false);
  }

  /** Lets an offer wait again that a process which died had taken. */
  async free(step: StepRef, id: string): Promise<void> {
    const backend = this.backend(step);
    const token = await this.connection.get(`${backend.toKey(id)}:lock`);
    if (token === null) return;
    try {
      await backend.moveJobFromActiveToWait(id, token);
    } catch (error) {
      if (!lockLost(error)) throw error;
    }
  }

  /** What stands on the step's queue. Cost O(offers). */
  async look(step: StepRef): Promise<QueueLook> {
    const backend = this.backend(step);
    // In the order in which an offer moves, so that one that moves meanwhile is seen: twice at worst.
    const [delayed, wait, active] = await Promise.all([
      this.connection.zrange(backend.toKey('delayed'), '0', '-1', 'WITHSCORES'),
      this.connection.lrange(backend.toKey('wait'), 0, -1),
      this.connection.lrange(backend.toKey('active'), 0, -1),
    ]);
    const dueAtMs = new Map<number, number>();
    for (const [i, id] of delayed.entries()) {
      if (i % 2 === 1) continue;
      const due = Math.floor(Number(delayed[i + 1]) / DELAY_SCALE);
      for (const spanId of offerOf(id).spanIds) dueAtMs.set(spanId, due);
    }
    return {
      ready: new Set(wait.flatMap((id) => offerOf(id).spanIds)),
      delayed: dueAtMs,
      taken: new Map(
        active.flatMap((id) => offerOf(id).spanIds.map((spanId) => [spanId, id] as const)),
      ),
    };
  }

  /** BullMQ's own backstop for offers whose lock expired. */
  async requeueStalled(step: StepRef): Promise<void> {
    await this.backend(step).moveStalledJobsToWait();
  }

  /** Removes a step's queue: the step has ended. */
  async remove(step: StepRef): Promise<void> {
    const backend = this.backend(step);
    await backend.pause(true);
    while ((await backend.obliterate({ force: true, count: 1000 })) !== 0);
    this.backends.delete(`${step.jobId}/${step.step}`);
    this.logger.debug({ ...step }, 'queue removed');
  }

  async close(): Promise<void> {
    await this.anchor.close();
  }
}

const lockErrors: ReadonlySet<unknown> = new Set([
  ErrorCode.JobNotExist,
  ErrorCode.JobLockNotExist,
  ErrorCode.JobNotInState,
  ErrorCode.JobLockMismatch,
]);

const lockLost = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && lockErrors.has(error.code);
