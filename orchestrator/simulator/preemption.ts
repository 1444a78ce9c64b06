import type { FarmFile } from '@karst/shared/simulation/farm-file.ts';
import { classRank, type VictimLease } from '../scheduler/cheapest-victims.ts';
import { LookAgain, OVERDUE_STEPS_MAX, overdueSteps, ROOMS_MAX } from '../scheduler/overdue.ts';
import {
  type BusyNode,
  type Claim,
  type Eviction,
  lostCost,
  planPreemption,
  type Want,
} from '../scheduler/preempt.ts';
import { priorityClasses } from '../scheduler/ranking.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { SimLease, SimNode } from './sim-node.ts';
import type { SimStep } from './sim-step.ts';

interface SimWant extends Want {
  readonly step: SimStep;
}
interface SimVictim extends VictimLease {
  readonly lease: SimLease;
}
export type SimEviction = Eviction<SimWant, SimVictim>;

export interface PreemptionParts {
  settings: FarmFile['preempt'];
  scheduler: Scheduler<SimStep>;
  nodes: readonly SimNode[];
  /** How many leases of the step its ceilings have room for. */
  room(step: SimStep): number;
  /** Asks for a decision at that time; one asked for later by now is not needed. */
  decideAt(ms: number): void;
}

/**
 * Which leases end for others: the orchestrator's rules (scheduler/overdue.ts, scheduler/preempt.ts),
 * with what preemption/decide.ts gathers from Redis gathered from the simulated farm.
 */
export class Preemption {
  private readonly parts: PreemptionParts;
  private readonly since = new Map<SimStep, number>();
  private readonly again = new LookAgain();
  /** By class rank: steps that wait, leases that run. Most looks end here. */
  private readonly waiting = priorityClasses.map(() => 0);
  private readonly running = priorityClasses.map(() => 0);
  private readonly isAnyOwed: boolean;
  private armedMs = Number.POSITIVE_INFINITY;

  constructor(parts: PreemptionParts, { studios }: Pick<FarmFile, 'studios'>) {
    this.parts = parts;
    this.isAnyOwed = studios.some(({ guaranteedTasks }) => guaranteedTasks > 0);
  }

  /** The step has work from now on. */
  offered(step: SimStep, nowMs: number): void {
    this.since.set(step, nowMs);
    move(this.waiting, step, 1);
    if (step.priorityClass === 'background' && !this.isAnyOwed) return;
    this.again.soon();
    this.arm(nowMs + this.parts.settings.afterSeconds * 1000);
  }

  withdrawn(step: SimStep): void {
    if (this.since.delete(step)) move(this.waiting, step, -1);
  }

  began({ step }: SimLease): void {
    move(this.running, step, 1);
  }

  ended({ step }: SimLease): void {
    move(this.running, step, -1);
  }

  /** What ends now, and for whom, if this is the moment that was asked for last. */
  decide(nowMs: number): SimEviction[] {
    if (nowMs < this.armedMs) return [];
    this.armedMs = Number.POSITIVE_INFINITY;
    const evictions = this.isAnyOwed || this.isAnyBelow() ? this.plan(nowMs) : [];
    if (this.since.size > 0) this.arm(nowMs + this.again.nextMs(evictions.length > 0));
    return evictions;
  }

  private arm(atMs: number): void {
    if (atMs >= this.armedMs) return;
    this.armedMs = atMs;
    this.parts.decideAt(atMs);
  }

  /** Whether a step waits and a lease of a lower class runs. */
  private isAnyBelow(): boolean {
    const lowest = this.running.findIndex((leases) => leases > 0);
    return lowest >= 0 && this.waiting.some((steps, rank) => steps > 0 && rank > lowest);
  }

  private plan(nowMs: number): SimEviction[] {
    const { scheduler, settings } = this.parts;
    const afterMs = settings.afterSeconds * 1000;
    const left = (step: SimStep) => Math.max(0, (this.since.get(step) ?? nowMs) + afterMs - nowMs);
    const { steps, nextMs } = overdueSteps(scheduler.ranking, left);
    if (nextMs !== undefined) this.arm(nowMs + nextMs);
    const wants = steps.slice(0, OVERDUE_STEPS_MAX).flatMap((step): SimWant[] => {
      const { studio, priorityClass, shape } = step;
      const count = Math.min(ROOMS_MAX, step.startable, this.parts.room(step));
      return count === 0 ? [] : [{ studio, priorityClass, shape, count, step }];
    });
    if (wants.length === 0) return [];
    const highest = Math.max(...wants.map(({ priorityClass }) => classRank(priorityClass)));
    const busy = this.busyNodes(wants, this.isAnyOwed ? highest : highest - 1, nowMs);
    return planPreemption(wants, busy, this.claims(wants, busy), ROOMS_MAX);
  }

  /** Nodes where one of the wants could run and something may end for it. */
  private busyNodes(
    wants: readonly SimWant[],
    highest: number,
    nowMs: number,
  ): BusyNode<SimVictim>[] {
    const minRunMs = this.parts.settings.minRunSeconds * 1000;
    const mayEnd = ({ step, startedAtMs }: SimLease) =>
      classRank(step.priorityClass) <= highest && nowMs - startedAtMs >= minRunMs;
    return this.parts.nodes.flatMap((node) => {
      const leases = [...node.leases];
      if (!leases.some(mayEnd) || !wants.some(({ shape }) => node.view.suits(shape))) return [];
      const kept = leases.filter((lease) => !mayEnd(lease));
      return [
        {
          nodeId: node.capabilities.name,
          capabilities: node.capabilities,
          admission: node.admission,
          slotsFree: node.slots - leases.length,
          held: kept.flatMap(({ resources }) => (resources === undefined ? [] : [resources])),
          leases: leases.filter(mayEnd).map((lease) => victim(lease, nowMs)),
        },
      ];
    });
  }

  private claims(
    wants: readonly SimWant[],
    busy: readonly BusyNode<SimVictim>[],
  ): Map<string, Claim> {
    const victims = busy.flatMap(({ leases }) => leases);
    const names = new Set([...wants, ...victims].map(({ studio }) => studio));
    const { ranking } = this.parts.scheduler;
    return new Map([...names].map((studio) => [studio, ranking.studioAccount({ studio })]));
  }
}

function move(counts: number[], { priorityClass }: SimStep, change: 1 | -1): void {
  const rank = classRank(priorityClass);
  counts[rank] = (counts[rank] ?? 0) + change;
}

function victim(lease: SimLease, nowMs: number): SimVictim {
  const { id: leaseId, step, span, resources, startedAtMs } = lease;
  const { studio, priorityClass, meanTaskMs } = step;
  const ranMs = nowMs - startedAtMs;
  // Of a span of several tasks, those that have ended are not lost, only the one that runs.
  const lostMs = span.count > 1 ? Math.min(ranMs, meanTaskMs ?? ranMs) : ranMs;
  const cost = lostCost(resources, lostMs);
  return { leaseId, studio, priorityClass, resources, lostCost: cost, lease };
}
