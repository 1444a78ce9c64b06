import type { Clock } from '@karst/shared/clock.ts';
import type { LeaseId, NodeId } from '@karst/shared/protocol/ids.ts';
import type { Grant, Resources } from '@karst/shared/protocol/lease.ts';
import type { SyncRequest, SyncResponse } from '@karst/shared/protocol/node.ts';
import type { TaskFlag } from '@karst/shared/protocol/task.ts';
import { untilScheduleChangeMs } from '@karst/shared/schedule/within-schedule.ts';
import type { Logger } from 'pino';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { LeaseAccounts } from '../dispatch/lease-accounts.ts';
import type { Ask, News } from '../dispatch/waiters.ts';
import { type NodeHealth, standing } from '../domain/node-health.ts';
import { type NodeHold, nodeHold, quarantineHold } from '../domain/node-hold.ts';
import { ProblemError } from '../http/handler.ts';
import type { JobEvents } from '../jobs/job-events.ts';
import { preemptedLease, preemptOrders, type Rooms, roomsOn } from '../preemption/kept-rooms.ts';
import { unknownCapabilities } from '../scheduler/node-capabilities.ts';
import { NodeView } from '../scheduler/scheduler.ts';
import type { LeaseRef } from '../store/keys.ts';
import type { ListedLease, NodeAnswer, NodeStore } from '../store/node-store.ts';
import type { Preempt } from '../store/preempt-record.ts';
import type { SpanStore } from '../store/span-store.ts';
import type { GangStarts } from './gang-starts.ts';
import type { LeaseExpiry } from './lease-expiry.ts';
import type { NodeRoster } from './node-roster.ts';
import type { NodeWatch, Seen } from './node-watch.ts';
import type { PrefetchAdvice } from './prefetch-advice.ts';
import type { ReportService } from './report-service.ts';

export interface SyncParts {
  nodes: NodeStore;
  spans: SpanStore;
  reports: ReportService;
  dispatcher: Dispatcher;
  roster: NodeRoster;
  accounts: LeaseAccounts;
  expiry: LeaseExpiry;
  watch: NodeWatch;
  advice: PrefetchAdvice;
  gangs: GangStarts;
  events: JobEvents;
  clock: Clock;
  logger: Logger;
  livenessMs: number;
}

const noRooms: Rooms = { held: [], slots: 0, ready: [], gangs: undefined };

type OnGone = (listener: () => void) => void;

type Synced = Extract<NodeAnswer, { status: 'ok' | 'boot' }>;

/** Answers the one call of agents: worker-agent/PROTOCOL.md tells what they do with the answer. */
export class SyncService {
  private readonly parts: SyncParts;

  constructor(parts: SyncParts) {
    this.parts = parts;
  }

  /**
   * `onGone` is told of only when the call has to wait, with what to call once its caller went away.
   * Throws ProblemError not_found for a removed node, node_superseded for an older process.
   */
  async sync(nodeId: NodeId, call: SyncRequest, onGone: OnGone): Promise<SyncResponse> {
    const nowMs = this.parts.clock.nowMs();
    const answer = await this.parts.nodes.sync(
      {
        nodeId,
        bootId: call.bootId,
        bootedAtMs: call.bootedAtMs,
        seq: call.seq,
        slots: call.slots,
        message: call.message ?? '',
        inventory: call.inventory === undefined ? '' : JSON.stringify(call.inventory),
        held: call.held,
      },
      nowMs,
      nowMs + this.parts.livenessMs,
    );
    if (answer.status === 'unknown')
      throw new ProblemError('not_found', 'this node is not enrolled');
    if (answer.status === 'superseded') {
      throw new ProblemError('node_superseded', 'a newer agent process speaks for this node');
    }
    if (answer.status === 'stale') return this.response(call, { grants: [], lost: [] }, undefined);
    await this.parts.roster.seen(nodeId, call.slots, nowMs + this.parts.livenessMs);
    if (answer.status === 'boot') this.parts.gangs.roomFreed();
    // Not awaited: a frame less for each call that waits.
    return this.serve(nodeId, call, answer, onGone);
  }

  private async serve(
    nodeId: NodeId,
    call: SyncRequest,
    answer: Synced,
    onGone: OnGone,
  ): Promise<SyncResponse> {
    const redelivered = await this.settleUnheld(nodeId, answer);
    const { reports, seen } = await this.record(nodeId, call, answer.preempts);
    // The loss of its former life's leases may have just been noted.
    const before = answer.status === 'boot' ? undefined : answer.health;
    const health = await this.parts.watch.note(nodeId, before, seen);
    await this.noteProgress(nodeId, call, answer.lost);
    const draining = call.draining || this.hold(answer, health) !== undefined;
    const free = this.freeSlots(call, redelivered.length, health);
    // Reports that came with this call have freed what their leases reserved: ask what is left then.
    const used = call.reports.length === 0 ? answer.used : await this.parts.nodes.used(nodeId);
    const { rooms, orders } = await this.preempting(nodeId, call, answer);
    const view = await this.parts.roster.view(nodeId, answer.revision, [...used, ...rooms.held]);
    const wanted = draining || view === undefined ? 0 : free;
    const isUnable = call.wanted === 0 && call.message !== undefined;
    this.parts.roster.setTakesWork(nodeId, !draining && view !== undefined && !isUnable);
    const node = view ?? new NodeView(unknownCapabilities(nodeId), []);
    const isReady = call.ready.length > 0;
    let start = isReady ? await this.parts.gangs.join(nodeId, call.ready) : [];
    const ask = {
      nodeId,
      bootId: call.bootId,
      seq: call.seq,
      wanted,
      node,
      warm: call.warm,
      kept: [...rooms.ready],
      backfill: rooms.gangs && (await this.backfill(nodeId, answer.revision, used, rooms.gangs)),
    };
    let news = await this.parts.dispatcher.grantNow(ask);
    const isBusy = !draining && view !== undefined && !isUnable && free <= news.grants.length;
    const prefetch = await (isBusy
      ? this.parts.advice.ofBusy({ nodeId, revision: answer.revision, warm: call.warm })
      : this.parts.advice.ofIdle(nodeId));
    const silent =
      (prefetch?.length ?? 0) +
        news.grants.length +
        redelivered.length +
        reports.length +
        answer.lost.length +
        start.length +
        orders.length ===
      0;
    if (silent && call.waitMs > 0) {
      // The node's deadline counts from its call, so the wait must end well before it; a node that has
      // nothing to lose may be nearer to it: it calls again at once when it gets something.
      const share = call.held.length > 0 ? 1 / 3 : 3 / 4;
      const longestMs = Math.min(call.waitMs, this.parts.livenessMs * share);
      const waitMs = this.untilHoldChanges(answer, health, longestMs);
      const waiting = this.parts.dispatcher.wait(ask, waitMs, onGone);
      if (isReady) start = await this.joinParked(nodeId, call, waiting);
      news = await waiting;
    }
    const lost = [...answer.lost, ...news.lost];
    const grants = [...redelivered, ...news.grants];
    const response = this.response(call, { grants, lost }, this.hold(answer, health));
    return {
      ...response,
      reports,
      ...(orders.length === 0 ? {} : { preempt: orders }),
      ...(start.length === 0 ? {} : { start }),
      ...(prefetch === undefined ? {} : { prefetch }),
    };
  }

  /**
   * Waits with a parked call whose leases are ready. Its gang may have begun before it was parked, and
   * begins as like as not while it is: what it is told then is told with this very answer.
   */
  private async joinParked(nodeId: NodeId, { ready }: SyncRequest, waiting: Promise<News>) {
    const { gangs, dispatcher } = this.parts;
    const before = await gangs.join(nodeId, ready);
    if (before.length > 0) dispatcher.receive({ kind: 'node', nodeId, lost: [] });
    await waiting;
    return before.length > 0 ? before : await gangs.join(nodeId, ready);
  }

  /** What the node is to end early, and what room of it is kept for whom. */
  private async preempting(nodeId: NodeId, call: SyncRequest, { preempts }: Synced) {
    if (preempts.length === 0) return { rooms: noRooms, orders: [] };
    const leases = await this.parts.nodes.leases(nodeId);
    const listed = leases.map(({ leaseId }) => leaseId);
    const held = call.held.filter((leaseId) => listed.includes(leaseId));
    return {
      rooms: roomsOn(preempts, leases, this.parts.clock.nowMs()),
      orders: preemptOrders(preempts, held, call.preempting),
    };
  }

  /** The node as short tasks find it that are over before the gangs it keeps room for begin. */
  private async backfill(
    nodeId: NodeId,
    revision: number,
    used: readonly Resources[],
    { heldElse, startsAtMs }: NonNullable<Rooms['gangs']>,
  ): Promise<Ask['backfill']> {
    const node = await this.parts.roster.view(nodeId, revision, [...used, ...heldElse]);
    return node && { node, untilMs: startsAtMs };
  }

  private hold({ drain, settings }: Synced, health: NodeHealth | undefined): NodeHold | undefined {
    const nowMs = this.parts.clock.nowMs();
    return nodeHold(drain, settings, nowMs) ?? quarantineHold(health, nowMs);
  }

  /** How many leases it may get; on probation one at a time. */
  private freeSlots(call: SyncRequest, redelivered: number, health: NodeHealth | undefined) {
    const free = Math.max(call.wanted - redelivered, 0);
    if (standing(health, this.parts.clock.nowMs()) !== 'probation') return free;
    const ended = new Set(call.reports.map(({ leaseId }) => leaseId));
    const busy = call.held.some((leaseId) => !ended.has(leaseId)) || redelivered > 0;
    return busy ? 0 : Math.min(free, 1);
  }

  /**
   * A wait ends when the node's schedule opens or closes, or its quarantine ends, so that the node hears
   * of it at once.
   */
  private untilHoldChanges(
    { settings: { schedule } }: Synced,
    health: NodeHealth | undefined,
    longestMs: number,
  ): number {
    const nowMs = this.parts.clock.nowMs();
    const isHeld = standing(health, nowMs) === 'quarantined';
    const heldMs = isHeld ? (health?.quarantine?.untilMs ?? nowMs) - nowMs : longestMs;
    const waitMs = Math.max(Math.min(longestMs, heldMs), 1);
    return schedule === undefined ? waitMs : untilScheduleChangeMs(schedule, nowMs, waitMs);
  }

  private response(call: SyncRequest, news: News, hold: NodeHold | undefined): SyncResponse {
    return {
      seq: call.seq,
      serverTimeMs: this.parts.clock.nowMs(),
      livenessMs: this.parts.livenessMs,
      nextSyncMs: this.parts.livenessMs / 3,
      grants: news.grants,
      lost: news.lost,
      reports: [],
      draining: hold !== undefined,
      ...(hold === undefined ? {} : { drainReason: hold.reason, hardStop: hold.hard }),
    };
  }

  /**
   * Leases on the node's list that it does not hold: of its former life (taken back at once), or
   * granted in an answer that never arrived (told again), or never granted (struck off).
   */
  private async settleUnheld(nodeId: NodeId, answer: Synced): Promise<Grant[]> {
    if (answer.unheld.length === 0) return [];
    if (answer.status === 'boot') {
      await this.parts.expiry.expire(nodeId, answer.unheld, 'the agent was restarted');
      await this.parts.watch.lost(nodeId, answer.unheld);
      return [];
    }
    const grants = await Promise.all(answer.unheld.map((lease) => this.redeliver(nodeId, lease)));
    return grants.filter((grant) => grant !== undefined);
  }

  private async redeliver(nodeId: NodeId, lease: ListedLease): Promise<Grant | undefined> {
    const ref: LeaseRef = { ...lease, epoch: 0 };
    const span = await this.parts.spans.voidLease(ref);
    if (span?.state === 'leased' && span.nodeId === nodeId) {
      const { epoch, first, last } = span;
      const revision = await this.parts.spans.revision(lease.jobId);
      return { ...lease, epoch, first, last, ...(revision === undefined ? {} : { revision }) };
    }
    await this.parts.accounts.release(nodeId, [lease.leaseId], true);
    return undefined;
  }

  private async record(
    nodeId: NodeId,
    call: SyncRequest,
    preempts: readonly Preempt[],
  ): Promise<{ reports: SyncResponse['reports']; seen: Seen }> {
    if (call.reports.length === 0) return { reports: [], seen: { failures: [], succeeded: 0 } };
    const outcomes = await this.parts.reports.record(nodeId, call.reports, (leaseId) =>
      preemptedLease(preempts, leaseId),
    );
    const released = call.reports.filter((_, i) => outcomes[i]?.released).map((r) => r.leaseId);
    await this.parts.accounts.release(nodeId, released);
    if (released.length > 0 && preempts.some(({ reason }) => reason === 'gang')) {
      this.parts.gangs.roomFreed();
    }
    const seen = {
      failures: outcomes.flatMap((outcome) => outcome.seen.failures),
      succeeded: outcomes.reduce((sum, outcome) => sum + outcome.seen.succeeded, 0),
    };
    return { reports: outcomes.map((outcome) => outcome.answer), seen };
  }

  private async noteProgress(
    nodeId: NodeId,
    call: SyncRequest,
    lost: readonly LeaseId[],
  ): Promise<void> {
    for (const { leaseId, task, percent, status, silentSeconds } of call.progress) {
      if (lost.includes(leaseId)) continue;
      const lease = await this.parts.nodes.lease(nodeId, leaseId);
      if (lease === undefined) continue;
      const text = JSON.stringify({ percent, status, silentSeconds });
      if (await this.parts.spans.setProgress({ ...lease, epoch: 0 }, task, text)) {
        const flags: TaskFlag[] | undefined = silentSeconds === undefined ? undefined : ['silent'];
        const progress = { task, percent, status, flags };
        await this.parts.events.progressed(lease.jobId, lease.step, progress);
      }
    }
  }
}
