import { join } from 'node:path';
import { sleep } from '@karst/shared/clock.ts';
import type { LeaseId } from '@karst/shared/protocol/ids.ts';
import type { Grant, TaskResult } from '@karst/shared/protocol/lease.ts';
import type { Inventory, SyncResponse } from '@karst/shared/protocol/node.ts';
import type { AgentEvents, AgentParts } from './agent-parts.ts';
import { HeldLeases } from './held-leases.ts';
import { type Hold, type HoldSource, Holds, holdOf, type PreemptOrder } from './holds.ts';
import type { CallFailure } from './http/orchestrator-client.ts';
import { LeaseRun, returnedBecause } from './lease-run.ts';
import { TaskLog } from './process/task-log.ts';
import type { TaskProgress } from './session/task-output.ts';
import { pollMs } from './sync/poll-ms.ts';
import { ProgressBoard } from './sync/progress-board.ts';
import { type Boot, type SyncContent, SyncLoop, type SyncSide } from './sync/sync-loop.ts';
import { WakeUp } from './sync/wake-up.ts';

export interface AgentOptions {
  slots: number;
  inventory: Inventory;
  boot: Boot;
  logsDir: string;
  /** Called after the first answered call. */
  onReady: () => void;
}

/** How an agent ended: by its own wish, or because it may not go on. */
export type AgentEnd =
  | { kind: 'drained' }
  /** A newer process speaks for this node. */
  | { kind: 'superseded'; message: string }
  /** The orchestrator does not know this node. */
  | { kind: 'unknown'; message: string };

/**
 * serving: takes work. draining: finishes the tasks that run, gives back the rest, then ends.
 * ended: nothing more is sent.
 */
type Phase = 'serving' | 'draining' | 'ended';

const livenessMsDefault = 30_000;
const reportsMax = 4096;
/** Stopped at once, the agent has this long to give its tasks back. */
const partingMs = 3000;
/** Results of a span that goes on are told this much later: many share a call. */
const gatherMs = 20;

export class Agent implements SyncSide {
  readonly #options: AgentOptions;
  readonly #parts: AgentParts;
  readonly #news = new WakeUp();
  readonly #loop: SyncLoop;
  readonly #leases = new HeldLeases();
  readonly #holds = new Holds();
  readonly #progress: ProgressBoard;
  /** Granted while no slot was free; taken up in order. */
  readonly #waiting: Grant[] = [];
  /** Leases told to end for others. */
  readonly #preempting = new Set<LeaseId>();
  readonly #freeLogs: TaskLog[] = [];
  readonly #over = new AbortController();
  #logCount = 0;
  /** Falls to 1 while calls with reports are refused, to find the one at fault. */
  #reportsMax = reportsMax;
  #failing = false;
  #gathering = false;
  #progressDue = false;
  #phase: Phase = 'serving';
  #inventoryTold = false;
  #livenessMs = livenessMsDefault;
  #answeredAtMs: number;
  #end: AgentEnd = { kind: 'drained' };

  /** `parts` lacks what only the agent itself can give: events of running tasks. */
  constructor(options: AgentOptions, makeParts: (agent: AgentEvents) => AgentParts) {
    this.#options = options;
    this.#parts = makeParts({
      progressed: (leaseId, task, progress) => this.#progressed(leaseId, task, progress),
      livenessPassed: () => this.#livenessPassed(),
      news: () => this.#news.set(),
    });
    const { client, clock } = this.#parts;
    this.#progress = new ProgressBoard(clock);
    this.#answeredAtMs = clock.monotonicMs();
    this.#loop = new SyncLoop(client, this, options.boot, this.#news, this.#parts);
    this.#parts.sessions.onFreed(() => this.#news.set());
  }

  /** Serves until drained, or refused for good. */
  async run(): Promise<AgentEnd> {
    const { keeper, disk, idle, spawner } = this.#parts;
    spawner.open();
    this.#heedPerson();
    const kept = keeper.run(this.#over.signal);
    const watched = disk.watch(() => this.#news.set(), this.#over.signal);
    const minded = idle?.watch(() => this.#heedPerson(), this.#over.signal);
    await this.#loop.run();
    this.#phase = 'ended';
    this.#over.abort();
    this.#parts.prefetcher.aim(undefined);
    await Promise.all([kept, watched, minded]);
    for (const run of this.#leases.runs()) run.lose();
    if (this.#end.kind !== 'drained') this.#parts.sessions.kill();
    await this.#parts.sessions.close();
    for (const log of this.#freeLogs) await log.close();
    this.#parts.tails.close();
    await this.#parts.spawner.close();
    await this.#parts.leftovers.close();
    return this.#end;
  }

  /** Take nothing new; finish the tasks that run, give back the rest, then end. */
  drain(): void {
    if (this.#phase === 'serving') this.#phase = 'draining';
    this.#parts.sessions.keep(false);
    for (const run of this.#leases.runs()) run.drain();
    if (this.#failing && this.#leases.size === 0) this.#loop.stop();
    this.#news.set();
  }

  /** As drain, but running tasks are ended too. `atOnce` kills them without notice. */
  stop(atOnce: boolean): void {
    this.drain();
    for (const run of this.#leases.runs()) {
      if (atOnce) run.kill(returnedBecause.stopped);
      else run.stop();
    }
    if (!atOnce) return;
    this.#parts.sessions.kill();
    void sleep(partingMs, this.#over.signal).then(
      () => this.#loop.stop(),
      () => undefined,
    );
  }

  wantsWork(): boolean {
    return this.#wanted() > 0;
  }

  holdsLeases(): boolean {
    return this.#leases.size > 0;
  }

  patienceMs(): number {
    return this.holdsLeases() ? 2000 : 10_000;
  }

  compose(): SyncContent {
    this.#parts.keeper.check();
    const { disk } = this.#parts;
    const wanted = this.#wanted();
    const message = disk.full ? disk.message : this.#holds.reasonOf('person');
    const reports = this.#leases.reports(this.#reportsMax);
    const draining = this.#phase === 'draining';
    const held = [...this.#leases.ids(), ...this.#waiting.map(({ leaseId }) => leaseId)];
    for (const leaseId of this.#preempting) {
      if (!held.includes(leaseId)) this.#preempting.delete(leaseId);
    }
    // The first call brings liveness and the first grants at once. A node that wants nothing polls too, to
    // hear at once of leases it loses and of a drain's end. A last call doesn't.
    const polls = this.#inventoryTold && reports.length === 0 && !this.#isDone();
    const { ready } = this.#parts.gangs;
    return {
      slots: this.#options.slots,
      wanted,
      draining,
      held,
      preempting: [...this.#preempting],
      reports,
      progress: this.#progress.take(),
      waitMs: polls ? this.#pollMs() : 0,
      ...(this.#inventoryTold ? {} : { inventory: this.#options.inventory }),
      ...(message === undefined ? {} : { message }),
      ...(ready.length === 0 ? {} : { ready }),
      ...(wanted === 0 ? {} : { warm: this.#parts.warm.list() }),
    };
  }

  answered(request: SyncContent, response: SyncResponse, sentAtMs: number): void {
    const { keeper, spawner, clock } = this.#parts;
    keeper.answered(sentAtMs, response.livenessMs);
    spawner.renew(sentAtMs + response.livenessMs);
    this.#livenessMs = response.livenessMs;
    this.#answeredAtMs = clock.monotonicMs();
    if (!this.#inventoryTold) {
      this.#inventoryTold = true;
      this.#options.onReady();
    }
    this.#failing = false;
    this.#readReportAnswers(request, response);
    const held = new Set<string>(request.held);
    for (const leaseId of response.lost) if (held.has(leaseId)) this.#lose(leaseId);
    this.#hold('orchestrator', holdOf(response));
    for (const grant of response.grants) this.#granted(grant);
    for (const order of response.preempt ?? []) this.#preempt(order);
    for (const start of response.start ?? []) this.#parts.gangs.started(start);
    this.#aim(response.prefetch);
    if (this.#isDone()) {
      // A last call that holds nothing draws out what an overtaken one may have been granted.
      if (request.draining && request.held.length === 0) this.#loop.stop();
      else this.#news.set();
    }
  }

  failed(request: SyncContent, failure: CallFailure): void {
    const { logger, clock } = this.#parts;
    this.#failing = true;
    const refusal = failure.kind === 'problem' ? this.#refusal(failure) : undefined;
    if (refusal !== undefined) {
      this.#end = refusal;
      this.#loop.stop();
      return;
    }
    logger.warn({ failure }, 'sync failed');
    if (failure.kind === 'problem' && !failure.retryable) this.#isolate(request, failure.message);
    const silentMs = clock.monotonicMs() - this.#answeredAtMs;
    // Nobody to give the leases back to: by now they are taken back anyway.
    const hopeless = this.#leases.size === 0 || silentMs > this.#livenessMs;
    if (this.#phase === 'draining' && hopeless) this.#loop.stop();
  }

  /** Whether an answer means that this process may not speak for the node. */
  #refusal({ code, message }: Extract<CallFailure, { kind: 'problem' }>): AgentEnd | undefined {
    if (code === 'node_superseded') return { kind: 'superseded', message };
    const unknown = code === 'unauthenticated' || code === 'not_found';
    return unknown && !this.#inventoryTold ? { kind: 'unknown', message } : undefined;
  }

  /** A call the orchestrator can't read: tells reports one by one, and gives up the one at fault. */
  #isolate(request: SyncContent, message: string): void {
    const [report, ...others] = request.reports ?? [];
    if (report === undefined) return;
    this.#reportsMax = 1;
    const held = this.#leases.ids().find((leaseId) => leaseId === report.leaseId);
    if (others.length > 0 || held === undefined) return;
    this.#parts.logger.error({ report, message }, 'report not understood: giving the tasks back');
    this.#leases.giveBack(held, `the orchestrator did not understand the result: ${message}`);
  }

  #readReportAnswers(request: SyncContent, response: SyncResponse): void {
    const counts = new Map<string, number>();
    for (const { leaseId, results } of request.reports ?? []) counts.set(leaseId, results.length);
    for (const { leaseId, status, message, jobOver } of response.reports) {
      const jobId = this.#leases.jobOf(leaseId);
      if (jobOver && jobId !== undefined) this.#parts.sessions.endJob(jobId);
      if (status === 'lost') {
        this.#lose(leaseId);
        continue;
      }
      if (status === 'refused') this.#parts.logger.error({ leaseId, message }, 'report refused');
      this.#leases.acknowledge(leaseId, counts.get(leaseId) ?? 0);
    }
    this.#reportsMax = reportsMax;
    // More results than one report or one call holds.
    if (this.#leases.hasUnsent()) this.#news.set();
  }

  #granted(grant: Grant): void {
    if (this.#leases.knows(grant.leaseId)) return;
    if (this.#waiting.some(({ leaseId }) => leaseId === grant.leaseId)) return;
    this.#waiting.push(grant);
    this.#startWaiting();
  }

  #startWaiting(): void {
    while (this.#leases.running < this.#options.slots) {
      const grant = this.#waiting.shift();
      if (grant === undefined) return;
      void this.#runLease(grant);
    }
  }

  async #runLease(grant: Grant): Promise<void> {
    const { leaseId } = grant;
    const run = new LeaseRun(grant, this.#parts, (result) => this.#result(leaseId, result));
    this.#leases.take(grant, run);
    if (!this.#takesWork()) run.drain();
    // Granted to a call that was under way when the disk filled up.
    else if (this.#parts.disk.full) run.drain(this.#parts.disk.message);
    const log = this.#freeLogs.pop() ?? this.#newLog();
    await run.run(log);
    this.#freeLogs.push(log);
    this.#progress.forget(leaseId);
    this.#leases.finished(leaseId);
    this.#startWaiting();
    this.#news.set();
  }

  #newLog(): TaskLog {
    this.#logCount += 1;
    return new TaskLog(join(this.#options.logsDir, `${this.#logCount}.log`));
  }

  #result(leaseId: LeaseId, result: TaskResult): void {
    this.#leases.add(leaseId, result);
    if (this.#gathering) return;
    this.#gathering = true;
    void sleep(gatherMs).then(() => {
      this.#gathering = false;
      if (this.#leases.hasUnsent()) this.#news.set();
    });
  }

  #lose(leaseId: LeaseId): void {
    const at = this.#waiting.findIndex((grant) => grant.leaseId === leaseId);
    if (at !== -1) this.#waiting.splice(at, 1);
    const jobId = this.#leases.lose(leaseId);
    if (jobId === undefined) return;
    this.#parts.logger.warn({ leaseId }, 'lease lost');
    // Most likely its job was canceled: what is kept of it has no use.
    this.#parts.sessions.endJob(jobId);
  }

  /** Others need the room of a lease: ends it, or, not begun yet, gives it back. */
  #preempt({ leaseId, graceSeconds, message }: PreemptOrder): void {
    if (this.#preempting.has(leaseId)) return;
    this.#preempting.add(leaseId);
    const at = this.#waiting.findIndex((grant) => grant.leaseId === leaseId);
    const [grant] = at === -1 ? [] : this.#waiting.splice(at, 1);
    if (grant !== undefined) void this.#runLease(grant);
    this.#leases.runOf(leaseId)?.preempt(message, graceSeconds * 1000);
  }

  /** What the node likely gets next; absent: what it was told before, or what may no longer be. */
  #aim(hints: SyncResponse['prefetch']): void {
    if (!this.#takesWork() || this.#parts.disk.full) this.#parts.prefetcher.aim(undefined);
    else if (hints !== undefined) this.#parts.prefetcher.aim(hints[0]);
  }

  #livenessPassed(): void {
    // A node that holds nothing may call less often than that, and has nothing to lose.
    if (this.#leases.size + this.#waiting.length === 0) return;
    this.#parts.logger.error('no contact for too long: the leases may be lost, killing all tasks');
    for (const run of this.#leases.runs()) run.kill(returnedBecause.expired);
    this.#parts.sessions.kill();
  }

  #heedPerson(): void {
    const { idle } = this.#parts;
    const reason = idle?.reason;
    this.#hold('person', idle && reason !== undefined ? { stop: idle.stop, reason } : undefined);
  }

  /** Somebody holds the node back, or lets it go. */
  #hold(source: HoldSource, hold: Hold | undefined): void {
    if (!this.#holds.set(source, hold)) return;
    const now = this.#holds.strictest;
    this.#parts.sessions.keep(this.#takesWork());
    if (now !== undefined) {
      const hard = now.stop === 'hard';
      for (const run of this.#leases.runs()) hard ? run.kill(now.reason) : run.drain();
      if (hard) this.#parts.sessions.kill();
    }
    this.#news.set();
  }

  #takesWork(): boolean {
    return this.#phase === 'serving' && this.#holds.strictest === undefined;
  }

  #progressed(leaseId: LeaseId, task: number, progress: TaskProgress): void {
    const dueMs = this.#progress.set(leaseId, task, progress);
    if (this.#progressDue) return;
    this.#progressDue = true;
    void sleep(dueMs).then(() => {
      this.#progressDue = false;
      this.#news.set();
    });
  }

  /** Drained, and nothing left to tell. */
  #isDone(): boolean {
    return (
      this.#phase === 'draining' &&
      this.#leases.size === 0 &&
      this.#waiting.length === 0 &&
      this.#parts.sessions.isEmpty
    );
  }

  #wanted(): number {
    if (this.#parts.disk.full) this.#parts.sessions.endIdle(() => true);
    if (!this.#takesWork() || this.#parts.disk.full) return 0;
    return Math.max(0, this.#options.slots - this.#leases.running - this.#waiting.length);
  }

  #pollMs(): number {
    const { keeper, gangs } = this.#parts;
    return pollMs({
      holds: this.#leases.size + this.#waiting.length > 0,
      isReady: gangs.ready.length > 0,
      livenessMs: this.#livenessMs,
      leftMs: keeper.leftMs(),
    });
  }
}
