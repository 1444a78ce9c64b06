import type { JobId, LeaseId, NodeId } from '@karst/shared/protocol/ids.ts';
import type { Logger } from 'pino';
import type { NodeAffinity } from '../scheduler/node-affinity.ts';
import type { NodeView, Scheduler } from '../scheduler/scheduler.ts';
import type { FarmSettings } from '../settings/farm-settings.ts';
import type { JobStore } from '../store/job-store.ts';
import type { Granter } from './granter.ts';
import type { LeaseAccounts } from './lease-accounts.ts';
import type { RunnableStep, RunnableSteps } from './runnable-steps.ts';
import { runnableStep, stepFacts } from './step-facts.ts';
import type { UsageExchange } from './usage-exchange.ts';
import type { WaitEnds } from './wait-ends.ts';
import type { Ask, News, Waiter, Waiters } from './waiters.ts';
import type { Wake } from './wake-bus.ts';

/** Parked calls served at once: more only queue up at Redis. */
const SERVED_AT_ONCE = 32;

const nothing: News = { grants: [], lost: [] };

export interface DispatcherParts {
  runnable: RunnableSteps;
  scheduler: Scheduler<RunnableStep>;
  waiters: Waiters;
  granter: Granter;
  accounts: LeaseAccounts;
  usage: UsageExchange;
  settings: FarmSettings;
  jobs: JobStore;
  waitEnds: WaitEnds;
  affinity: NodeAffinity<RunnableStep>;
  logger: Logger;
}

/**
 * Brings nodes that want work and steps that have some together. A call is served at once if it can
 * be; else it is parked, and a wake-up serves the parked calls, oldest first.
 */
export class Dispatcher {
  private readonly runnable: RunnableSteps;
  private readonly scheduler: Scheduler<RunnableStep>;
  private readonly waiters: Waiters;
  private readonly granter: Granter;
  private readonly accounts: LeaseAccounts;
  private readonly usage: UsageExchange;
  private readonly settings: FarmSettings;
  private readonly jobs: JobStore;
  private readonly waitEnds: WaitEnds;
  private readonly affinity: NodeAffinity<RunnableStep>;
  private readonly logger: Logger;
  private serving: Promise<void> | undefined;
  private serveAgain = false;
  /** Parked calls being served, and whether they are to be answered whatever comes of it. */
  private readonly served = new Map<Waiter, { recalled: boolean; lost: LeaseId[] }>();

  constructor(parts: DispatcherParts) {
    this.runnable = parts.runnable;
    this.scheduler = parts.scheduler;
    this.waiters = parts.waiters;
    this.granter = parts.granter;
    this.accounts = parts.accounts;
    this.usage = parts.usage;
    this.settings = parts.settings;
    this.jobs = parts.jobs;
    this.waitEnds = parts.waitEnds;
    this.affinity = parts.affinity;
    this.logger = parts.logger;
  }

  receive(wake: Wake): void {
    if (wake.kind === 'node') this.tellNode(wake.nodeId, wake.lost);
    else if (wake.kind === 'step') this.wake(wake.jobId, wake.step);
    else if (wake.kind === 'usage') this.usage.receive(wake);
    else if (wake.kind === 'gates') {
      this.accounts.open(wake.names);
      // Also for a counter of nodes, which closes nothing: only a new look tells.
      this.serve();
    } else this.reload();
  }

  /** Settings changed: everything waiting may stand elsewhere now. */
  private reload(): void {
    this.settings
      .load()
      .then(async () => {
        this.applyShares();
        for (const gate of this.scheduler.ranking.closedGates()) this.accounts.open([gate]);
        const steps = [...this.scheduler.ranking.steps()];
        await Promise.all(steps.map(({ jobId, step }) => this.lookAt(jobId, step)));
        // Parked calls know their nodes as pools were before: they come back and are served anew.
        for (const waiter of this.waiters.all()) this.recall(waiter, []);
      })
      .catch((error: Error) => {
        this.logger.warn({ err: error.message }, 'settings not reloaded; the next pass will');
      });
  }

  /** Puts the settings of studios and projects into force here. */
  applyShares(): void {
    const set = this.settings.shareSettings();
    for (const account of this.scheduler.shares.all()) {
      if (!set.has(account.name)) this.scheduler.shares.set(account.name, {});
    }
    for (const [name, { weight, guaranteedTasks }] of set) {
      this.scheduler.shares.set(name, { weight, guaranteed: guaranteedTasks });
    }
    const budgets = [...set].flatMap(([name, { budgetCoreHours }]) =>
      budgetCoreHours === undefined ? [] : [[name, budgetCoreHours] as const],
    );
    this.usage.setBudgets(new Map(budgets));
    this.scheduler.ranking.reorderAll();
  }

  private wake(jobId: JobId, step: number): void {
    this.wakeStep(jobId, step).catch((error: Error) => {
      this.logger.warn({ err: error.message, job: jobId }, 'wake failed; refresh will tell');
    });
  }

  /** Makes sure a step is among the runnable ones, as it is now, and grants what it has. */
  async wakeStep(jobId: JobId, step: number): Promise<void> {
    if (await this.lookAt(jobId, step)) this.serve();
  }

  /** Answers whether the step is runnable. */
  private async lookAt(jobId: JobId, step: number): Promise<boolean> {
    const known = this.runnable.get(jobId, step);
    if (known !== undefined) known.wakes += 1;
    const job = await this.jobs.read(jobId);
    if (job === undefined || (job.state !== 'pending' && job.state !== 'running')) {
      this.runnable.remove({ jobId, step });
      return false;
    }
    const definition = await this.jobs.definition(jobId);
    const resolved = definition?.job.steps[step];
    if (resolved === undefined) return false;
    const facts = stepFacts(job, resolved, (limit) => this.settings.isPerHost(limit));
    const now = { ...facts, allFed: false };
    const current = this.runnable.get(jobId, step);
    // One object a step while it is listed: a grant or a feed under way must go on with it, not with
    // a copy whose feed never ends.
    if (current !== undefined) this.runnable.update(current, now);
    else this.runnable.add(runnableStep(job, step, resolved, facts));
    return true;
  }

  /** Grants what there is now, without waiting. */
  async grantNow(ask: Ask): Promise<News> {
    if (ask.wanted === 0 || !this.mayServe(ask)) return nothing;
    const { grants } = await this.granter.grant(ask);
    return { grants, lost: [] };
  }

  /**
   * Waits for work or news, `waitMs` at most. `onGone` is given what to call when the caller is gone;
   * it calls that at once when it is gone already.
   */
  wait(ask: Ask, waitMs: number, onGone: (listener: () => void) => void): Promise<News> {
    const news = new Promise<News>((resolve) => {
      const waiter: Waiter = {
        ...ask,
        answer: (told) => {
          this.waiters.leave(waiter);
          forgetEnd();
          resolve(told);
        },
      };
      const recall = () => this.recall(waiter, []);
      const forgetEnd = this.waitEnds.add(waitMs, recall);
      this.waiters.park(waiter);
      onGone(recall);
    });
    // Work may have come between the last look and the parking.
    if (ask.wanted > 0 && this.mayServe(ask)) this.serve();
    return news;
  }

  /** Whether there is anything to look for: steps that any node may take, or those room is kept for. */
  private mayServe({ kept }: Ask): boolean {
    return this.runnable.size > 0 || kept.length > 0;
  }

  /**
   * What a node would get if `node`, all of it, were free now, but for what is in `skip`. `isLast`: it is
   * more of what the node was granted last. A step is listed until a node has asked for it in vain.
   */
  likelyNext(
    nodeId: NodeId,
    node: NodeView,
    warm: readonly JobId[],
    skip: ReadonlySet<RunnableStep>,
  ): { step: RunnableStep; isLast: boolean } | undefined {
    if (this.runnable.size <= skip.size) return undefined;
    const step = this.runnable.best(node, skip, this.affinity.preferred(nodeId, warm));
    return step && { step, isLast: step === this.affinity.lastOn(nodeId) };
  }

  /** Whether a step that a node was told of may still come next there. */
  mayComeNext(nodeId: NodeId, step: RunnableStep): boolean {
    const isListed = this.runnable.get(step.jobId, step.step) === step;
    return isListed && step !== this.affinity.lastOn(nodeId);
  }

  /** A step has nothing to grant before something wakes it. */
  forget(step: RunnableStep): void {
    this.runnable.remove(step);
  }

  /** How many calls are parked. */
  get waitingCalls(): number {
    return this.waiters.size;
  }

  /** Looks once more whether a parked call can be served. */
  lookAgain(): void {
    this.serve();
  }

  private tellNode(nodeId: NodeId, lost: LeaseId[]): void {
    const waiter = this.waiters.of(nodeId);
    if (waiter !== undefined) this.recall(waiter, lost);
  }

  /**
   * Answers a parked call; one that is being served, when that is done: its node would call anew at
   * once, and strike off a lease that it finds claimed and not granted yet.
   */
  private recall(waiter: Waiter, lost: readonly LeaseId[]): void {
    const serving = this.served.get(waiter);
    if (serving === undefined) waiter.answer({ grants: [], lost: [...lost] });
    else {
      serving.recalled = true;
      serving.lost.push(...lost);
    }
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
      let next = 0;
      const lane = async () => {
        for (;;) {
          const waiter = queue[next];
          next += 1;
          if (waiter === undefined) return;
          if (this.mayServe(waiter)) await this.serveOne(waiter);
        }
      };
      const lanes = Math.min(SERVED_AT_ONCE, queue.length);
      await Promise.all(Array.from({ length: lanes }, lane));
    }
  }

  private async serveOne(waiter: Waiter): Promise<void> {
    if (!this.waiters.isParked(waiter)) return;
    const serving: { recalled: boolean; lost: LeaseId[] } = { recalled: false, lost: [] };
    const { lost } = serving;
    this.served.set(waiter, serving);
    try {
      const { grants, stale } = await this.granter.grant(waiter);
      // Grants for a call that was answered meanwhile stand on the node's list: its next call gets them.
      if (grants.length > 0 || stale || serving.recalled) waiter.answer({ grants, lost });
    } catch (error) {
      this.logger.warn({ err: String(error), node: waiter.nodeId }, 'grant failed');
      waiter.answer({ grants: [], lost });
    } finally {
      this.served.delete(waiter);
    }
  }
}
