import { limitMaxForFarm, type ShareSettings } from '@karst/shared/protocol/farm-settings.ts';
import type { FarmFile } from '@karst/shared/simulation/farm-file.ts';
import { Counters, counterNames, countersOf, type LeaseFacts } from '../scheduler/counters.ts';
import type { SimStep } from './sim-step.ts';

/** The farm's caps and limits: the ledger's rule, and which of its counters are closed. */
export class Gates {
  readonly counters = new Counters();
  private readonly perHost = new Set<string>();
  private readonly closed = new Set<string>();
  /** Studio and project of each counter that is one's cap. */
  private readonly studios = new Map<string, string>();

  constructor({ studios, limits }: FarmFile) {
    for (const studio of studios) {
      this.cap(studio.name, studio, {
        maxTasks: counterNames.studioTasks(studio.name),
        maxGpus: counterNames.studioGpus(studio.name),
        maxNodes: counterNames.studioNodes(studio.name),
      });
      for (const project of studio.projects) {
        this.cap(studio.name, project, {
          maxTasks: counterNames.projectTasks(studio.name, project.name),
          maxGpus: counterNames.projectGpus(studio.name, project.name),
          maxNodes: counterNames.projectNodes(studio.name, project.name),
        });
      }
    }
    for (const [name, settings] of Object.entries(limits)) {
      this.counters.setMax(counterNames.limit(name), limitMaxForFarm(settings));
      this.counters.setPerHost(name, settings.per === 'host');
      if (settings.per === 'host') this.perHost.add(name);
    }
  }

  private cap(
    studio: string,
    settings: ShareSettings,
    names: Record<'maxTasks' | 'maxGpus' | 'maxNodes', string>,
  ): void {
    for (const key of ['maxTasks', 'maxGpus', 'maxNodes'] as const) {
      const max = settings[key];
      if (max === undefined) continue;
      this.counters.setMax(names[key], max);
      this.studios.set(names[key], studio);
    }
  }

  /** Names of the counters with a ceiling that a lease of the step counts in. */
  of(step: SimStep): string[] {
    return this.bounded(step).map(({ name }) => name);
  }

  /** Whether one lease of the step alone is more than some ceiling. */
  forbid(step: SimStep): boolean {
    return this.bounded(step).some(
      ({ name, amount }) => amount > (this.counters.max(name) ?? Number.POSITIVE_INFINITY),
    );
  }

  private bounded(step: SimStep) {
    return countersOf(factsOf(step, ''), (limit) => this.perHost.has(limit)).filter(
      ({ name }) => this.counters.max(name) !== undefined,
    );
  }

  /** Counts a lease, or answers the counter that is full: it is closed from now on. */
  acquire(leaseId: string, step: SimStep, nodeName: string): string | undefined {
    if (step.gates.length === 0) return undefined;
    const acquired = this.counters.acquire(leaseId, factsOf(step, nodeName));
    if (acquired.ok) return undefined;
    this.closed.add(acquired.full.name);
    return acquired.full.name;
  }

  /** How many leases of the step its ceilings have room for. */
  room(step: SimStep): number {
    const rooms = this.bounded(step).map(({ name, amount }) =>
      Math.floor(((this.counters.max(name) ?? 0) - this.counters.count(name)) / amount),
    );
    return Math.max(0, Math.min(Number.MAX_SAFE_INTEGER, ...rooms));
  }

  /**
   * Ends a lease's counting; answers the closed counters that have more room now. Not only those that
   * were at their ceiling: a lease of four GPUs closes a counter that three are missing from.
   */
  release(leaseId: string, step: SimStep): string[] {
    if (step.gates.length === 0) return [];
    this.counters.release(leaseId);
    if (this.closed.size === 0) return [];
    return step.gates.filter((name) => this.closed.delete(name));
  }

  isClosed(name: string): boolean {
    return this.closed.has(name);
  }

  /** Whose cap the counter is; undefined for a farm limit. */
  studioOf(name: string): string | undefined {
    return this.studios.get(name);
  }
}

const factsOf = (step: SimStep, nodeId: string): LeaseFacts => ({
  studio: step.studio,
  project: step.project,
  jobId: step.jobId,
  nodeId,
  gpus: step.shape.demand?.gpus ?? 0,
  limits: step.trace.limits,
});
