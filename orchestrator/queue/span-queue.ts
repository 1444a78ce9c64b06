import type { Clock } from '@karst/shared/clock.ts';
import type { JobId, LeaseId } from '@karst/shared/protocol/ids.ts';
import { ErrorCode, type IQueueBackend, Job as QueueJob, Worker } from 'bullmq';
import type { Logger } from 'pino';
import type { Redis } from '../store/connection.ts';
import { keys, type SpanRef } from '../store/keys.ts';

/**
 * BullMQ's lock on a granted span. It outlives any node deadline by far and is never renewed: our
 * span table is the authority, the lock only keeps BullMQ's own stalled check from requeueing a span
 * that runs. Should a span run longer, the requeued copy is dropped when it is taken.
 */
const LOCK_MS = 24 * 3600 * 1000;

/** BullMQ keeps a delayed job by its time in ms times this. */
const DELAY_SCALE = 0x1000;

type StepRef = { jobId: JobId; step: number };

/** BullMQ takes no integers as job ids. */
const queueId = (spanId: number) => `s${spanId}`;

/**
 * The BullMQ side of dispatch: one queue per step, one BullMQ job per span. A projection of the span
 * table: a span may be queued twice or not at all after a crash, and every caller copes with both.
 * One connection serves every queue through sibling backends, so a step costs no connection.
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
   * Queues spans. A pipeline, not a transaction: a crash in the middle leaves some unqueued, which
   * the reconcile pass mends. A span that is on the queue already is left alone.
   */
  async add(step: StepRef, spanIds: readonly number[], delayMs = 0): Promise<void> {
    if (spanIds.length === 0) return;
    await this.backend(step).addJobs(
      spanIds.map((spanId) => {
        const job = this.queueJob(spanId, delayMs);
        return { jobId: queueId(spanId), job: job.asJSON() };
      }),
    );
  }

  /** The span's BullMQ job. Its data is empty: the span table says what is in the span. */
  private queueJob(spanId: number, delayMs: number): QueueJob {
    const opts = { delay: delayMs, timestamp: this.clock.nowMs(), removeOnComplete: true };
    return new QueueJob(this.anchor, 's', {}, opts, queueId(spanId));
  }

  /** Takes the next span under the lease's id as lock token; undefined when none waits. */
  async take(step: StepRef, leaseId: LeaseId): Promise<number | undefined> {
    const [, id] = await this.backend(step).moveToActive(leaseId);
    return typeof id === 'string' && id !== '' ? Number(id.slice(1)) : undefined;
  }

  /** Drops a span that ended, or a second copy of one. */
  async finish({ spanId, ...step }: SpanRef, leaseId: LeaseId): Promise<void> {
    const backend = this.backend(step);
    try {
      await backend.moveToCompleted(this.queueJob(spanId, 0), null, true, leaseId, false);
    } catch (error) {
      if (!lockLost(error)) throw error;
      // The lock expired, or the copy is gone: what is left of it must not stay on the queue.
      await backend.remove(queueId(spanId), false);
    }
  }

  /** Takes a span that is gone off the queue. One just taken is dropped when it turns out to be gone. */
  async drop({ spanId, ...step }: SpanRef): Promise<void> {
    await this.backend(step).remove(queueId(spanId), false);
  }

  /** Lets a span wait again, first in line, whoever holds its lock. */
  async putBack({ spanId, ...step }: SpanRef, leaseId: LeaseId): Promise<void> {
    const backend = this.backend(step);
    try {
      await backend.moveJobFromActiveToWait(queueId(spanId), leaseId);
    } catch (error) {
      if (!lockLost(error)) throw error;
      await this.add(step, [spanId]);
    }
  }

  /** Lets a span that nobody holds wait again, though a process that died took it from the queue. */
  async free({ spanId, ...step }: SpanRef): Promise<void> {
    const lock = `${this.backend(step).toKey(queueId(spanId))}:lock`;
    const token = await this.connection.get(lock);
    if (token === null) return;
    try {
      await this.backend(step).moveJobFromActiveToWait(queueId(spanId), token);
    } catch (error) {
      if (!lockLost(error)) throw error;
    }
  }

  /** What BullMQ thinks of a span: 'unknown' when it holds no copy. */
  async state({ spanId, ...step }: SpanRef): Promise<string> {
    return await this.backend(step).getState(queueId(spanId));
  }

  /** How many spans wait for a node, how many for their time, and when the first of these is due. */
  async outlook(step: StepRef): Promise<{ ready: number; delayed: number; dueAtMs?: number }> {
    const backend = this.backend(step);
    const [counts, first] = await Promise.all([
      backend.getCounts(['wait', 'prioritized', 'delayed']),
      this.connection.zrange(backend.toKey('delayed'), '0', '0', 'WITHSCORES'),
    ]);
    const [wait = 0, prioritized = 0, delayed = 0] = counts;
    const score = first[1];
    return {
      ready: wait + prioritized,
      delayed,
      ...(score === undefined ? {} : { dueAtMs: Math.floor(Number(score) / DELAY_SCALE) }),
    };
  }

  /** How many spans wait on the step's queue, delayed ones included. */
  async waitingCount(step: StepRef): Promise<number> {
    const counts = await this.backend(step).getCounts(['wait', 'prioritized', 'delayed']);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** BullMQ's own backstop for spans whose lock expired. */
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
