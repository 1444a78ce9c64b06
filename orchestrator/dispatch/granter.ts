import type { JobId, NodeId } from '@karst/shared/protocol/ids.ts';
import type { Grant } from '@karst/shared/protocol/lease.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Logger } from 'pino';
import type { SpanQueue } from '../queue/span-queue.ts';
import type { GangStore } from '../store/gang-store.ts';
import type { NodeStore } from '../store/node-store.ts';
import type { PreemptStore } from '../store/preempt-store.ts';
import type { SpanStore } from '../store/span-store.ts';
import { AvoidedSpans, type Taken } from './avoided-spans.ts';
import { type BackfillParts, backfillSteps } from './backfill.ts';
import type { Feeder } from './feeder.ts';
import type { Hand, Hands } from './hands.ts';
import type { LeaseAccounts } from './lease-accounts.ts';
import type { RunnableStep } from './runnable-steps.ts';
import type { Ask } from './waiters.ts';

export interface GranterParts extends BackfillParts {
  feeder: Feeder;
  hands: Hands;
  queue: SpanQueue;
  spans: SpanStore;
  nodes: NodeStore;
  accounts: LeaseAccounts;
  preempts: PreemptStore;
  gangs: GangStore;
  random: Random;
  logger: Logger;
  /** Told when spans wait again that were taken and not granted, and others may have looked in vain. */
  putBack(step: RunnableStep): void;
  /** Told once when a job's first span is granted. */
  jobStarted(step: RunnableStep): void;
  /** What the node takes where others are as good, best first. */
  preferredOn(nodeId: NodeId, warm: readonly JobId[]): Iterable<RunnableStep>;
  /** How many nodes that suit the step take work now, as far as this replica knows. */
  suitable(step: RunnableStep): number;
  /** Spans of a step wait again that this node must not have: others may look for them now. */
  leftToOthers(): void;
  /** Told of every grant. */
  granted(ask: Ask, step: RunnableStep, grants: readonly Grant[]): void;
}

/**
 * What came of trying one step. stale: the call may get nothing any more. held: the job or step takes no
 * grants. empty: it has no spans now.
 */
type Outcome = Grant[] | 'stale' | 'held' | 'empty';

/**
 * Grants spans to a node, best step first. The order of writes makes every crash harmless:
 * 1. the span's offer is taken from the queue (a crash leaves it there or nowhere: the reconcile pass
 *    offers again what the table says is queued),
 * 2. the lease is put on the node's list and into the farm's ledger (a crash leaves an entry the node's
 *    next call clears, and a count that background/settle-ledger.ts ends),
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
    const avoided = new AvoidedSpans(ask.nodeId);
    try {
      return await this.grantAll(ask, avoided);
    } finally {
      await this.leaveAvoided(avoided);
    }
  }

  private async grantAll(ask: Ask, avoided: AvoidedSpans) {
    const grants: Grant[] = [];
    if (await this.grantKept(ask, avoided, grants)) return { grants, stale: true };
    const skip = new Set<RunnableStep>();
    while (grants.length < ask.wanted - ask.kept.length) {
      const step = this.parts.runnable.best(
        ask.node,
        skip,
        this.parts.preferredOn(ask.nodeId, ask.warm),
        this.parts.clock.nowMs(),
      );
      if (step === undefined) break;
      if (avoided.isLeftAlone(step)) {
        skip.add(step);
        continue;
      }
      // Others choose while this one waits for Redis: they must see the step's studio served already,
      // or every node would run for the same few spans.
      const left = ask.wanted - ask.kept.length - grants.length;
      const expected = this.parts.accounts.expect(step, left);
      let outcome: Outcome;
      try {
        outcome = await this.grantOf(step, ask, left, avoided);
      } finally {
        this.parts.accounts.forget(step, expected);
      }
      if (outcome === 'stale') return { grants, stale: true };
      if (outcome === 'held') this.parts.runnable.remove(step);
      else if (outcome === 'empty') skip.add(step);
      else if (outcome.length > 0) {
        grants.push(...outcome);
        avoided.granted(step);
      } else if (!avoided.mayTryOn(step)) skip.add(step);
    }
    return { grants, stale: await this.backfill(ask, avoided, grants) };
  }

  /** Room that is kept for gangs, and not used yet, goes to short tasks. Answers as grantKept. */
  private async backfill(ask: Ask, avoided: AvoidedSpans, grants: Grant[]): Promise<boolean> {
    const { backfill } = ask;
    if (backfill === undefined) return false;
    const { node, untilMs } = backfill;
    for (const { resources } of grants) if (resources !== undefined) node.free.hold(resources);
    const wanted = ask.wanted - ask.kept.filter(({ isGang }) => !isGang).length;
    if (grants.length >= wanted) return false;
    for await (const step of backfillSteps(this.parts, node, untilMs)) {
      const outcome = await this.grantOf(step, { ...ask, node }, 1, avoided);
      if (outcome === 'stale') return true;
      if (outcome === 'held') this.parts.runnable.remove(step);
      else if (outcome !== 'empty') grants.push(...outcome);
      if (grants.length >= wanted) break;
    }
    return false;
  }

  /**
   * Room that was made for a step goes to that step. It is kept while the step may yet come, and ends
   * when it has nothing to run. Answers whether the call was superseded.
   */
  private async grantKept(ask: Ask, avoided: AvoidedSpans, grants: Grant[]): Promise<boolean> {
    const { free } = ask.node;
    for (const room of [...ask.kept]) {
      if (grants.length >= ask.wanted) break;
      const step = this.parts.runnable.get(room.jobId, room.step);
      if (step === undefined) continue;
      if (room.isGang && !(await this.parts.gangs.isOpen(step))) continue;
      if (room.resources !== undefined) free.giveBack(room.resources);
      const outcome = ask.node.takes(step.shape)
        ? await this.grantOf(step, ask, 1, avoided)
        : ([] satisfies Grant[]);
      if (outcome === 'stale') return true;
      if (outcome === 'held') this.parts.runnable.remove(step);
      const isGranted = typeof outcome !== 'string' && outcome.length > 0;
      if (isGranted) grants.push(...outcome);
      // A gang's room is for one of its tasks whatever it looks like here: gangs/ sees to its end.
      const isWanted = room.isGang || this.parts.runnable.get(room.jobId, room.step) !== undefined;
      if (isGranted || !isWanted) {
        ask.kept.splice(ask.kept.indexOf(room), 1);
        await this.parts.preempts.end(ask.nodeId, room.preemptId);
      } else if (room.resources !== undefined) free.hold(room.resources);
    }
    return false;
  }

  /** Only now: while they were in hand, the node could take what waits behind them. */
  private async leaveAvoided(avoided: AvoidedSpans): Promise<void> {
    if (avoided.isEmpty) return;
    for (const [step, spans] of avoided.leave()) {
      await this.putBack(step, spans).finally(() => {
        step.inHand -= spans.length;
      });
    }
    this.parts.leftToOthers();
  }

  /** Grants of one step; none where it is not to be given to this node. */
  private async grantOf(
    step: RunnableStep,
    ask: Ask,
    wanted: number,
    avoided: AvoidedSpans,
  ): Promise<Outcome> {
    for (;;) {
      const wakes = step.wakes;
      // Nothing is thought to wait: what is made is not looked for in vain first.
      const fed = step.buffered <= 0 && !step.allFed ? await this.parts.feeder.feed(step) : 0;
      // Those who waited for the same feed may have been there first.
      if (fed > 0 && step.buffered <= 0) continue;
      const hand = await this.parts.hands.take(step, ask, wanted);
      if (hand.taken.length === 0) {
        if (fed > 0 || (await this.parts.feeder.feed(step)) > 0) continue;
        // Found empty: dropped until something wakes it, unless that happened meanwhile.
        if (step.inHand > 0) step.missed = true;
        else if (step.wakes === wakes) this.parts.runnable.remove(step);
        return 'empty';
      }
      if (this.parts.feeder.isLow(step)) this.feedBehind(step);
      const before = avoided.heldOf(step);
      const inHand = hand.taken.length + hand.over.length;
      return await this.lease(ask, step, hand, avoided).finally(() => {
        step.inHand -= inHand - (avoided.heldOf(step) - before);
      });
    }
  }

  private async lease(
    ask: Ask,
    step: RunnableStep,
    hand: Hand,
    avoided: AvoidedSpans,
  ): Promise<Outcome> {
    const { jobId } = step;
    const { taken } = hand;
    const leaseIds = taken.map(({ leaseId }) => leaseId);
    const [{ claimed, refused }, { count }] = await Promise.all([
      this.parts.nodes.claim(
        ask.nodeId,
        ask.bootId,
        ask.seq,
        taken.map((span) => ({ ...span, jobId, step: step.step })),
      ),
      this.parts.accounts.acquire(ask.nodeId, step, leaseIds),
      this.parts.hands.finish(step, hand.offers),
    ]);
    await this.parts.hands.leaveOver(step, hand);
    const mine = taken.slice(0, Math.min(claimed, count));
    const surplus = taken.slice(mine.length);
    await this.giveBack(ask, surplus);
    await this.putBack(step, surplus);
    const superseded = refused === 'stale' || refused === 'slots';
    // Calls that came meanwhile, the node's own newer one too, found nothing while these were in hand.
    if (superseded) this.parts.putBack(step);
    if (mine.length === 0) return superseded ? 'stale' : [];
    const nowMs = this.parts.clock.nowMs();
    const suitable = this.parts.suitable(step);
    const { spans } = this.parts;
    const reply = await spans.grant(jobId, step.step, ask.nodeId, nowMs, mine, suitable);
    if (reply.status === 'held') {
      await this.giveBack(ask, mine);
      await this.putBack(step, mine);
      return 'held';
    }
    if (reply.jobStarted) this.parts.jobStarted(step);
    const grants: Grant[] = [];
    const copies: Taken[] = [];
    const left: Taken[] = [];
    const voided: Taken[] = [];
    for (const [i, span] of mine.entries()) {
      const granted = reply.spans[i];
      if (reply.voided.has(span.spanId)) voided.push(span);
      else if (reply.avoided.has(span.spanId)) left.push(span);
      else if (granted) grants.push({ ...span, ...granted, jobId, step: step.step });
      else copies.push(span);
    }
    // Second copies of spans that run or are done: their offer is finished.
    if (copies.length > 0) await this.giveBack(ask, copies);
    if (left.length > 0) {
      await this.giveBack(ask, left);
      avoided.hold(step, left);
    }
    if (grants.length > 0) this.parts.granted(ask, step, grants);
    if (voided.length > 0) {
      await this.giveBack(ask, voided);
      await this.putBack(step, voided);
      this.parts.putBack(step);
      if (grants.length === 0) return 'stale';
    }
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
    if (spans.length === 0) return;
    const spanIds = spans.map(({ spanId }) => spanId);
    await this.parts.queue.putBack(step, spanIds, step.offerSpans);
    step.buffered += spans.length;
    // Another call may have found the queue empty meanwhile, and taken the step for done.
    if (this.parts.runnable.get(step.jobId, step.step) === undefined) {
      this.parts.putBack(step);
    }
  }

  /** Leases that were not granted leave the node's list and the ledger. */
  private async giveBack(ask: Ask, spans: readonly Taken[]): Promise<void> {
    for (const { resources } of spans) {
      if (resources !== undefined) ask.node.free.giveBack(resources);
    }
    await this.parts.accounts.release(
      ask.nodeId,
      spans.map(({ leaseId }) => leaseId),
      true,
    );
  }
}
