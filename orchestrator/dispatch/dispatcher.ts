import { sleep } from '@karst/shared/clock.ts';
import type { JobId, LeaseId, NodeId } from '@karst/shared/protocol/ids.ts';
import type { Logger } from 'pino';
import type { JobStore } from '../store/job-store.ts';
import type { Granter } from './granter.ts';
import type { RunnableSteps } from './runnable-steps.ts';
import type { Ask, News, Waiter, Waiters } from './waiters.ts';
import type { Wake } from './wake-bus.ts';

/** Parked calls served at once: more only queue up at Redis. */
const SERVED_AT_ONCE = 32;

const nothing: News = { grants: [], lost: [] };

/**
 * Brings nodes that want work and steps that have some together. A call is served at once if it can
 * be; else it is parked, and a wake-up serves the parked calls, oldest first.
 */
export class Dispatcher {
  private readonly runnable: RunnableSteps;
  private readonly waiters: Waiters;
  private readonly granter: Granter;
  private readonly jobs: JobStore;
  private readonly logger: Logger;
  private serving: Promise<void> | undefined;
  private serveAgain = false;

  constructor(
    runnable: RunnableSteps,
    waiters: Waiters,
    granter: Granter,
    jobs: JobStore,
    logger: Logger,
  ) {
    this.runnable = runnable;
    this.waiters = waiters;
    this.granter = granter;
    this.jobs = jobs;
    this.logger = logger;
  }

  receive(wake: Wake): void {
    if (wake.kind === 'node') {
      this.tellNode(wake.nodeId, wake.lost);
      return;
    }
    this.wakeStep(wake.jobId, wake.step).catch((error: Error) => {
      this.logger.warn({ err: error.message, job: wake.jobId }, 'wake failed; refresh will tell');
    });
  }

  /** Makes sure a step is among the runnable ones, with its present priority. */
  async wakeStep(jobId: JobId, step: number): Promise<void> {
    const known = this.runnable.get(jobId, step);
    if (known !== undefined) known.wakes += 1;
    const job = await this.jobs.read(jobId);
    if (job === undefined || (job.state !== 'pending' && job.state !== 'running')) {
      this.runnable.remove({ jobId, step });
      return;
    }
    const now = { priority: job.policy.priority, allFed: false };
    const current = this.runnable.get(jobId, step);
    // One object a step while it is listed: a grant or a feed under way must go on with it, not with
    // a copy whose feed never ends.
    if (current !== undefined) this.runnable.update(current, now);
    else {
      const createdAtMs = Date.parse(job.createdAt);
      const idle = { buffered: 0, wakes: 0, feeding: undefined };
      this.runnable.add({ jobId, step, studio: job.studio, createdAtMs, ...idle, ...now });
    }
    this.serve();
  }

  /** Grants what there is now, without waiting. */
  async grantNow(ask: Ask): Promise<News> {
    if (ask.wanted === 0 || this.runnable.size === 0) return nothing;
    const { grants } = await this.granter.grant(ask);
    return { grants, lost: [] };
  }

  /** Waits for work or news, `waitMs` at most or until `signal` aborts. */
  async wait(ask: Ask, waitMs: number, signal: AbortSignal): Promise<News> {
    if (signal.aborted) return nothing;
    const answered = new AbortController();
    const news = new Promise<News>((resolve) => {
      const waiter: Waiter = {
        ...ask,
        answer: (told) => {
          this.waiters.leave(waiter);
          signal.removeEventListener('abort', onAbort);
          answered.abort('answered');
          resolve(told);
        },
      };
      const onAbort = () => waiter.answer(nothing);
      signal.addEventListener('abort', onAbort, { once: true });
      sleep(waitMs, answered.signal).then(onAbort, () => undefined);
      this.waiters.park(waiter);
    });
    // Work may have come between the last look and the parking.
    if (ask.wanted > 0 && this.runnable.size > 0) this.serve();
    return await news;
  }

  private tellNode(nodeId: NodeId, lost: LeaseId[]): void {
    this.waiters.of(nodeId)?.answer({ grants: [], lost });
  }

  private serve(): void {
    this.serveAgain = true;
    this.serving ??= this.serveAll().finally(() => {
      this.serving = undefined;
    });
  }

  private async serveAll(): Promise<void> {
    while (this.serveAgain) {
      this.serveAgain = false;
      const queue = this.waiters.wanting();
      const lane = async () => {
        for (;;) {
          const waiter = this.runnable.size > 0 ? queue.shift() : undefined;
          if (waiter === undefined) return;
          await this.serveOne(waiter);
        }
      };
      const lanes = Math.min(SERVED_AT_ONCE, queue.length);
      await Promise.all(Array.from({ length: lanes }, lane));
    }
  }

  private async serveOne(waiter: Waiter): Promise<void> {
    if (!this.waiters.isParked(waiter)) return;
    try {
      const { grants, stale } = await this.granter.grant(waiter);
      // Grants for a call that was answered meanwhile stand on the node's list: its next call gets them.
      if (grants.length > 0 || stale) waiter.answer({ grants, lost: [] });
    } catch (error) {
      this.logger.warn({ err: String(error), node: waiter.nodeId }, 'grant failed');
      waiter.answer(nothing);
    }
  }
}
