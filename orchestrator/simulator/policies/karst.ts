import type { FarmFile } from '@karst/shared/simulation/farm-file.ts';
import { type Charge, type NodeView, Scheduler } from '../../scheduler/scheduler.ts';
import { Shares } from '../../scheduler/shares.ts';
import type { SimStep } from '../sim-step.ts';
import type { Policy } from './policy.ts';

const HOUR_MS = 3_600_000;

/** The orchestrator's own policy, the very code: time and facts come from here, choices from there. */
export class KarstPolicy implements Policy {
  readonly scheduler: Scheduler<SimStep>;

  constructor({ halfLifeHours, studios }: FarmFile) {
    const shares = new Shares(halfLifeHours * HOUR_MS, 0);
    this.scheduler = new Scheduler<SimStep>(shares);
    const { ranking } = this.scheduler;
    for (const { name, weight, guaranteedTasks, projects } of studios) {
      const studio = ranking.studioAccount({ studio: name });
      shares.set(studio.name, { weight, guaranteed: guaranteedTasks });
      for (const project of projects) {
        const account = ranking.projectAccount({ studio: name, project: project.name });
        shares.set(account.name, { weight: project.weight, guaranteed: project.guaranteedTasks });
      }
    }
  }

  get size(): number {
    return this.scheduler.ranking.size;
  }

  add(step: SimStep): void {
    this.scheduler.ranking.add(step);
  }

  remove(step: SimStep): void {
    this.scheduler.ranking.remove(step);
  }

  choose(view: NodeView, prefer: SimStep | undefined): SimStep | undefined {
    return this.scheduler.choose(view, undefined, prefer === undefined ? [] : [prefer]);
  }

  begun(step: SimStep, tasks: number, nowMs: number): Charge {
    return this.scheduler.begun(step, tasks, step.meanTaskMs, nowMs);
  }

  ended(step: SimStep, charge: Charge, ms: number, nowMs: number): void {
    this.scheduler.ended(step, charge, ms, nowMs);
  }

  close(gate: string): void {
    this.scheduler.ranking.close(gate);
  }

  open(gate: string): void {
    this.scheduler.ranking.open(gate);
  }
}
