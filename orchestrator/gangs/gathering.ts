import type { Clock } from '@karst/shared/clock.ts';
import type { NodeId } from '@karst/shared/protocol/ids.ts';
import type { GangPolicy } from '@karst/shared/protocol/job.ts';
import type { Resources } from '@karst/shared/protocol/lease.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Logger } from 'pino';
import type { RunnableStep } from '../dispatch/runnable-steps.ts';
import type { WakeBus } from '../dispatch/wake-bus.ts';
import type { Aftermath } from '../jobs/aftermath.ts';
import type { SpanQueue } from '../queue/span-queue.ts';
import { putsAhead } from '../scheduler/ahead.ts';
import type { Budgets } from '../scheduler/budgets.ts';
import { entryCost } from '../scheduler/cost.ts';
import { type GangPlace, gangPlaces } from '../scheduler/gang.ts';
import { capabilitiesFrom } from '../scheduler/node-capabilities.ts';
import { NodeView, type Scheduler } from '../scheduler/scheduler.ts';
import { type GangStore, parseVerdict } from '../store/gang-store.ts';
import { type StepRecord, startable } from '../store/job-record.ts';
import type { JobStore } from '../store/job-store.ts';
import type { Ledger } from '../store/ledger.ts';
import type { NodeStanding, NodeStore } from '../store/node-store.ts';
import type { Preempt } from '../store/preempt-record.ts';
import type { PreemptStore } from '../store/preempt-store.ts';
import { roomUnder } from './ceilings.ts';
import { expectedEnds, type GangNodesParts, gangNodes } from './gang-nodes.ts';
import { faultOf } from './verdict.ts';

export interface GatheringParts extends GangNodesParts {
  scheduler: Scheduler<RunnableStep>;
  jobs: JobStore;
  nodes: NodeStore;
  gangs: GangStore;
  preempts: PreemptStore;
  queue: SpanQueue;
  livenessMs: number;
  ledger: Ledger;
  budgets: Pick<Budgets, 'leasesLeft'>;
  aftermath: Aftermath;
  bus: WakeBus;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/** A step whose tasks run all at once, among those with work. */
export type GangStep = RunnableStep & { gang: GangPolicy };

/** Room kept for one of its tasks. */
export interface HeldRoom {
  readonly nodeId: NodeId;
  readonly room: Preempt;
}

/** One gang's way from waiting to being leased. */
export class Gathering {
  private readonly parts: GatheringParts;
  private readonly step: GangStep;
  /** Where room is kept for it. */
  private readonly held: readonly HeldRoom[];
  private readonly nowMs: number;

  constructor(parts: GatheringParts, step: GangStep, held: readonly HeldRoom[], nowMs: number) {
    this.parts = parts;
    this.step = step;
    this.held = held;
    this.nowMs = nowMs;
  }

  /**
   * Ends what took too long, or can't be complete any more. Answers whether the gang was open, ready or
   * not.
   */
  async tendOpen(
    { gang_state, gang_until = 0, waiting }: StepRecord,
    nodes: readonly NodeStanding[],
  ): Promise<boolean> {
    if (gang_state !== 'open') return false;
    const isLate = this.nowMs >= gang_until;
    const { gangs, preempts, aftermath, bus, clock, logger } = this.parts;
    const { jobId, step } = this.step;
    if (!isLate && this.takers(nodes) >= waiting) {
      // A replica that found no task for a room, because it was being queued, looks again.
      if (waiting > 0) bus.send({ kind: 'step', jobId, step });
      return true;
    }
    if (isLate) await preempts.pause(jobId, step);
    const effects = await gangs.close(this.step, gang_until, clock.nowMs());
    await aftermath.apply(jobId, step, effects);
    await this.endRooms();
    logger.warn({ job: jobId, step, isLate }, 'a gang did not get ready');
    return true;
  }

  /** Rooms on nodes that would still take their task. */
  private takers(nodes: readonly NodeStanding[]): number {
    return this.held.filter(({ nodeId }) => nodeOf(nodes, nodeId)?.takesWork === true).length;
  }

  /** Whose fault was it that the gang ended. Answers whether that is to be seen yet. */
  async tendVerdict({ gang_verdict }: StepRecord): Promise<boolean> {
    if (gang_verdict === undefined) return false;
    const { gangs, nodes, aftermath, clock, livenessMs, logger } = this.parts;
    const { jobId, step } = this.step;
    const verdict = parseVerdict(gang_verdict);
    const looks = new Map<NodeId, NodeStanding | undefined>();
    for (const { nodeId } of verdict.others) {
      looks.set(nodeId, await nodes.standing(nodeId, this.nowMs));
    }
    const fault = faultOf(verdict, (nodeId) => looks.get(nodeId), this.nowMs, livenessMs);
    if (fault === 'open') return true;
    const effects = await gangs.settle(this.step, verdict, fault === 'own', clock.nowMs());
    await aftermath.apply(jobId, step, effects);
    logger.info({ job: jobId, step, fault }, 'a gang ended by a failure');
    return true;
  }

  /** Its tasks that wait for room; undefined while they may not run, or not all yet. */
  async tasksIn(record: StepRecord): Promise<number | undefined> {
    if (!startable(record) || record.running > 0) return undefined;
    // One that failed waits for its next try, and the others with it.
    const { delayed } = await this.parts.queue.look(this.step);
    const isBackingOff = [...delayed.values()].some((dueAtMs) => dueAtMs > this.nowMs);
    return isBackingOff ? undefined : record.waiting;
  }

  /** Room is kept for it: all of it is free, or is waited for, or is no longer to be had. */
  async tendRooms(tasks: number, nodes: readonly NodeStanding[]): Promise<void> {
    const { preempts, gangs, clock, logger } = this.parts;
    const { jobId, step, gang } = this.step;
    const isOver = this.held.some(({ room }) => room.keptUntilMs <= this.nowMs);
    if (isOver || this.takers(nodes) < tasks || this.underBudget() < tasks) {
      if (isOver) await preempts.pause(jobId, step);
      await this.endRooms();
      logger.info({ job: jobId, step, isOver }, 'room for a gang given up');
      return;
    }
    if (!nodes.every((node) => this.isFree(node))) return;
    const untilMs = clock.nowMs() + gang.prepareSeconds * 1000;
    if (await gangs.open(this.step, clock.nowMs(), untilMs)) this.wakeNodes(this.held);
  }

  /** Looks for room for all its tasks at once. Answers whether some is kept for it now. */
  async findRoom(tasks: number, all: readonly NodeStanding[]): Promise<boolean> {
    const { preempts, settings, gangs, ledger } = this.parts;
    if (await preempts.isPaused(this.step.jobId, this.step.step)) return false;
    const ends = expectedEnds(this.parts, this.nowMs);
    const nodes = await gangNodes(settings, all, this.nowMs, ends);
    const { places } = gangPlaces({ ...this.step, tasks }, nodes, this.nowMs);
    const room = Math.min(await roomUnder(ledger, this.step.counters, places), this.underBudget());
    await gangs.noteRoom(this.step, room < tasks ? room : undefined);
    if (room < tasks) return false;
    const startsAtMs = places.at(-1)?.freeAtMs ?? this.nowMs;
    // What would be given up before it is complete is not kept at all.
    if (startsAtMs > this.nowMs + this.step.gang.reserveSeconds * 1000) return false;
    return this.isItsTurn(places, all) && (await this.keep(places, startsAtMs, all));
  }

  /** How many of its tasks the budgets still bear. */
  private underBudget(): number {
    return this.parts.budgets.leasesLeft(this.step, entryCost(this.step));
  }

  /** Whether no lease stands on what the node keeps. */
  private isFree(node: NodeStanding): boolean {
    const rooms = this.held.filter(({ nodeId }) => nodeId === node.nodeId);
    if (rooms.length === 0) return true;
    const used = node.leases.flatMap(({ resources }) => resources ?? []);
    const { free } = viewOf(node, used);
    const slots = node.slots - node.leases.length;
    return (
      slots >= rooms.length &&
      rooms.every(
        ({ room }) => room.resources === undefined || free.take(this.step.shape) !== undefined,
      )
    );
  }

  /** Whether no step that waits goes before it on any of the nodes. */
  private isItsTurn(places: readonly GangPlace[], all: readonly NodeStanding[]): boolean {
    const { scheduler, settings } = this.parts;
    return [...new Set(places.map(({ nodeId }) => nodeId))].every((nodeId) => {
      const node = nodeOf(all, nodeId);
      if (node === undefined) return false;
      const view = viewOf(node, []);
      const admission = settings.admission(view.capabilities.pool, this.nowMs) ?? {};
      const first = scheduler.ranking.best({
        studios: admission.studios,
        classes: admission.classes,
        feasible: (shape) => view.suits(shape),
      });
      return first === undefined || putsAhead(scheduler.ranking, first, this.step) === undefined;
    });
  }

  /** Keeps all of the room, or none where something has changed on a node meanwhile. */
  private async keep(
    places: readonly GangPlace[],
    startsAtMs: number,
    all: readonly NodeStanding[],
  ): Promise<boolean> {
    const { preempts, random, logger } = this.parts;
    const { jobId, step, studio, priorityClass, gang } = this.step;
    const keptUntilMs = this.nowMs + gang.reserveSeconds * 1000;
    const made: HeldRoom[] = [];
    const leasesOn = new Map(all.map(({ nodeId, leases }) => [nodeId, leases]));
    for (const { nodeId, resources } of places) {
      const room: Preempt = {
        id: random.uuid(),
        jobId,
        step,
        studio,
        priorityClass,
        reason: 'gang',
        victims: [],
        ...(resources === undefined ? {} : { resources }),
        startsAtMs,
        backByMs: keptUntilMs,
        keptUntilMs,
      };
      const leases = (leasesOn.get(nodeId) ?? []).map(({ leaseId }) => leaseId);
      if (!(await preempts.mark(nodeId, room, leases))) {
        for (const one of made) await preempts.end(one.nodeId, one.room.id);
        return false;
      }
      made.push({ nodeId, room });
    }
    logger.info({ job: jobId, step, tasks: places.length, startsAtMs }, 'room kept for a gang');
    // Their parked calls know nothing of it.
    this.wakeNodes(made);
    return true;
  }

  private async endRooms(): Promise<void> {
    for (const { nodeId, room } of this.held) await this.parts.preempts.end(nodeId, room.id);
    this.wakeNodes(this.held);
  }

  private wakeNodes(rooms: readonly HeldRoom[]): void {
    for (const nodeId of new Set(rooms.map((each) => each.nodeId))) {
      this.parts.bus.send({ kind: 'node', nodeId, lost: [] });
    }
  }
}

const nodeOf = (nodes: readonly NodeStanding[], id: NodeId): NodeStanding | undefined =>
  nodes.find(({ nodeId }) => nodeId === id);

const viewOf = ({ name, inventory, settings }: NodeStanding, used: readonly Resources[]) =>
  new NodeView(capabilitiesFrom(name, inventory, settings), used);
