import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import { type JobState, terminalJobStates } from '@karst/shared/protocol/job.ts';
import type { Logger } from 'pino';
import type { z } from 'zod';
import type { LeaseAccounts } from '../dispatch/lease-accounts.ts';
import type { WakeBus } from '../dispatch/wake-bus.ts';
import { retryDelayMs } from '../domain/retry-delay.ts';
import type { SpanSizeLimits } from '../domain/span-size.ts';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { SpanQueue } from '../queue/span-queue.ts';
import type { Redis } from '../store/connection.ts';
import type { Effects } from '../store/effects.ts';
import { tasksOfJob } from '../store/job-record.ts';
import type { JobStore } from '../store/job-store.ts';
import { keys } from '../store/keys.ts';
import type { Ledger } from '../store/ledger.ts';
import type { ReleaseStore } from '../store/release-store.ts';
import { FrameReleases } from './frame-releases.ts';
import { hasCeilings, jobCeilings } from './job-ceilings.ts';
import type { jobEndSchema } from './job-end.ts';
import type { JobEvents } from './job-events.ts';

/**
 * What follows a transition outside its job's own keys: queues, nodes' lists, wake-ups, events. Every
 * part is idempotent and is redone by the reconcile pass should this process die before it.
 */
export class Aftermath {
  private readonly redis: Redis;
  private readonly queue: SpanQueue;
  private readonly accounts: LeaseAccounts;
  private readonly bus: WakeBus;
  private readonly events: JobEvents;
  private readonly jobs: JobStore;
  private readonly ledger: Ledger;
  private readonly objects: ObjectStore;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly frames: FrameReleases;
  private readonly stop = new AbortController();

  constructor(parts: {
    redis: Redis;
    queue: SpanQueue;
    accounts: LeaseAccounts;
    bus: WakeBus;
    events: JobEvents;
    jobs: JobStore;
    ledger: Ledger;
    objects: ObjectStore;
    clock: Clock;
    logger: Logger;
    releases: ReleaseStore;
    spanLimits: SpanSizeLimits;
  }) {
    this.redis = parts.redis;
    this.queue = parts.queue;
    this.accounts = parts.accounts;
    this.bus = parts.bus;
    this.events = parts.events;
    this.jobs = parts.jobs;
    this.ledger = parts.ledger;
    this.objects = parts.objects;
    this.clock = parts.clock;
    this.logger = parts.logger;
    this.frames = new FrameReleases({
      ...parts,
      queue: (jobId, step, spanIds) => this.spansQueued(jobId, step, spanIds),
      follow: async (jobId, step, effects) => {
        await this.follow(jobId, step, effects);
        await this.events.jobChanged(jobId);
      },
    });
  }

  /** A job was stored: its ready steps may be granted. */
  async jobCreated(jobId: JobId, readySteps: readonly number[]): Promise<void> {
    for (const step of readySteps) await this.stepReady(jobId, step);
    await this.events.jobChanged(jobId);
  }

  async stepReady(jobId: JobId, step: number): Promise<void> {
    await this.queue.prepare({ jobId, step });
    this.bus.send({ kind: 'step', jobId, step });
  }

  /** Spans of a step wait (again) for nodes. */
  async spansQueued(
    jobId: JobId,
    step: number,
    spanIds: readonly number[],
    delayMs = 0,
  ): Promise<void> {
    await this.queue.add({ jobId, step }, spanIds, { delayMs });
    if (delayMs === 0) this.bus.send({ kind: 'step', jobId, step });
    else this.wakeLater(jobId, step, delayMs);
  }

  /** `delayMs` tells how long the failed tasks wait for their next try. */
  async apply(
    jobId: JobId,
    step: number,
    effects: Effects,
    delayMs?: (retry: Effects['retries'][number]) => number,
  ): Promise<void> {
    await this.follow(jobId, step, effects, delayMs);
    if (effects.release) await this.releaseFrames(jobId);
  }

  /** Lets tasks run that waited for single tasks of other steps, if these are done. */
  async releaseFrames(jobId: JobId): Promise<void> {
    await this.frames.drain(jobId);
  }

  private async follow(
    jobId: JobId,
    step: number,
    effects: Effects,
    delayMs: (retry: Effects['retries'][number]) => number = ({ failures }) =>
      retryDelayMs(failures),
  ): Promise<void> {
    await this.revoke(effects);
    for (const retry of effects.retries) {
      await this.spansQueued(jobId, step, [retry.spanId], delayMs(retry));
    }
    await this.requeue(jobId, effects);
    for (const span of effects.dropped) {
      if (!effects.ended.includes(span.step)) await this.queue.drop({ jobId, ...span });
    }
    for (const ended of effects.ended) await this.queue.remove({ jobId, step: ended });
    for (const ready of effects.ready) await this.stepReady(jobId, ready);
    if (effects.job !== '') await this.jobStateChanged(jobId, effects.job);
    const isNews = effects.job !== '' || effects.ended.length > 0 || effects.held.length > 0;
    if (isNews) await this.events.jobChanged(jobId);
  }

  /**
   * Lists the job as active, or ends it: its end is written to storage before it leaves the list of
   * active jobs, so that the reconcile pass writes it should this process die in between.
   */
  async jobStateChanged(jobId: JobId, state: JobState): Promise<void> {
    const studio = await this.events.studioOf(jobId);
    if (studio === undefined) return;
    const job = await this.jobs.read(jobId);
    if (job !== undefined && hasCeilings(job)) await this.ledger.setCeilings(jobCeilings(job));
    if (terminalJobStates.has(state)) {
      if (job !== undefined && job.outputs.accepted > job.outputs.published) {
        await this.redis.sadd(keys.publishingJobs(), jobId);
      }
      // Who reopened it meanwhile sees to the rest.
      if (job !== undefined && !terminalJobStates.has(job.state)) return;
      const end: z.input<typeof jobEndSchema> = {
        state,
        message: job?.message ?? '',
        ...(job === undefined ? {} : { tasks: tasksOfJob(job) }),
      };
      await this.objects.putJson(objectKeys.jobEnd(studio, jobId), end);
      await this.redis.sadd(keys.unpagedJobs(), jobId);
      await this.redis.srem(keys.activeJobs(), jobId);
      this.logger.info({ job: jobId, state }, 'job ended');
      // One that was reopened while this was written must not be taken for ended.
      const now = (await this.jobs.read(jobId))?.state;
      if (now !== undefined && !terminalJobStates.has(now)) await this.jobStateChanged(jobId, now);
    } else {
      await this.redis.sadd(keys.activeJobs(), jobId);
      await this.objects.delete(objectKeys.jobEnd(studio, jobId));
    }
  }

  private async requeue(jobId: JobId, { requeued }: Effects): Promise<void> {
    for (const { step, spanId, first, last } of requeued) {
      await this.spansQueued(jobId, step, [spanId]);
      await this.events.tasksChanged(jobId, step, first, last, 'waiting');
    }
  }

  private async revoke(effects: Effects): Promise<void> {
    for (const { nodeId, leaseId } of effects.revoked) {
      await this.accounts.release(nodeId, [leaseId]);
      this.bus.send({ kind: 'node', nodeId, lost: [leaseId] });
    }
  }

  /** The refresh pass of every replica would find the span too; this is sooner. */
  private wakeLater(jobId: JobId, step: number, delayMs: number): void {
    sleep(delayMs + 5, this.stop.signal).then(
      () => this.bus.send({ kind: 'step', jobId, step }),
      () => undefined,
    );
  }

  async jobChanged(jobId: JobId): Promise<void> {
    await this.events.jobChanged(jobId);
  }

  nowMs(): number {
    return this.clock.nowMs();
  }

  close(): void {
    this.stop.abort(new Error('closing'));
  }
}
