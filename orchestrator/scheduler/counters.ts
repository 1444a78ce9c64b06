/** What a lease counts in, from the moment it is granted to its end. */
export interface LeaseFacts {
  readonly studio: string;
  readonly project: string;
  readonly jobId: string;
  readonly nodeId: string;
  readonly gpus: number;
  /** Names of farm limits (licences and the like) each lease of the job takes one of. */
  readonly limits: readonly string[];
}

/**
 * One counter a lease moves. `host`: it counts nodes, once each, however many leases run there.
 * store/lua/acquire_leases.lua is given the list and follows the same rule.
 */
export interface Counter {
  readonly name: string;
  readonly amount: number;
  readonly host: boolean;
}

export const counterNames = {
  studioTasks: (studio: string) => `studio:${studio}:tasks`,
  studioGpus: (studio: string) => `studio:${studio}:gpus`,
  studioNodes: (studio: string) => `studio:${studio}:nodes`,
  projectTasks: (studio: string, project: string) => `project:${studio}/${project}:tasks`,
  projectGpus: (studio: string, project: string) => `project:${studio}/${project}:gpus`,
  projectNodes: (studio: string, project: string) => `project:${studio}/${project}:nodes`,
  jobTasks: (jobId: string) => `job:${jobId}:tasks`,
  jobNodes: (jobId: string) => `job:${jobId}:nodes`,
  limit: (name: string) => `limit:${name}`,
} as const;

/** Every counter of a lease; `isPerHost` says so of a farm limit. */
export function countersOf(facts: LeaseFacts, isPerHost: (limit: string) => boolean): Counter[] {
  const { studio, project, jobId, gpus } = facts;
  const tasks = (name: string): Counter => ({ name, amount: 1, host: false });
  const nodes = (name: string): Counter => ({ name, amount: 1, host: true });
  const cards = (name: string): Counter[] =>
    gpus === 0 ? [] : [{ name, amount: gpus, host: false }];
  return [
    tasks(counterNames.studioTasks(studio)),
    ...cards(counterNames.studioGpus(studio)),
    nodes(counterNames.studioNodes(studio)),
    tasks(counterNames.projectTasks(studio, project)),
    ...cards(counterNames.projectGpus(studio, project)),
    nodes(counterNames.projectNodes(studio, project)),
    tasks(counterNames.jobTasks(jobId)),
    nodes(counterNames.jobNodes(jobId)),
    // Named twice, it is one all the same: each counter of a lease stands here once.
    ...[...new Set(facts.limits)].map((limit) => ({
      name: counterNames.limit(limit),
      amount: 1,
      host: isPerHost(limit),
    })),
  ];
}

/**
 * Counters with ceilings, in memory: the rule of the ledger, for the simulator and as the model its
 * Lua is tested against.
 */
export class Counters {
  private readonly counts = new Map<string, number>();
  private readonly hosts = new Map<string, number>();
  private readonly leases = new Map<string, LeaseFacts>();
  private readonly maxima = new Map<string, number>();
  private readonly perHost = new Set<string>();

  setMax(name: string, max: number | undefined): void {
    if (max === undefined) this.maxima.delete(name);
    else this.maxima.set(name, max);
  }

  setPerHost(limit: string, perHost: boolean): void {
    if (perHost) this.perHost.add(limit);
    else this.perHost.delete(limit);
  }

  count(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  max(name: string): number | undefined {
    return this.maxima.get(name);
  }

  /** Counts the lease, or nothing at all: then answers the first counter that is full. */
  acquire(leaseId: string, facts: LeaseFacts): { ok: true } | { ok: false; full: Counter } {
    if (this.leases.has(leaseId)) return { ok: true };
    const counters = this.countersOf(facts);
    const full = counters.find((counter) => this.isFull(counter, facts.nodeId));
    if (full !== undefined) return { ok: false, full };
    this.leases.set(leaseId, facts);
    for (const counter of counters) this.move(counter, facts.nodeId, 1);
    return { ok: true };
  }

  /** Ends a lease's counting; answers the counters that were full and are no longer. */
  release(leaseId: string): string[] {
    const facts = this.leases.get(leaseId);
    if (facts === undefined) return [];
    this.leases.delete(leaseId);
    return this.countersOf(facts).flatMap((counter) => {
      const before = this.count(counter.name);
      this.move(counter, facts.nodeId, -1);
      const max = this.maxima.get(counter.name);
      const opened = max !== undefined && before >= max && this.count(counter.name) < max;
      return opened ? [counter.name] : [];
    });
  }

  private countersOf(facts: LeaseFacts): Counter[] {
    return countersOf(facts, (limit) => this.perHost.has(limit));
  }

  private isFull({ name, amount, host }: Counter, nodeId: string): boolean {
    const max = this.maxima.get(name);
    if (max === undefined) return false;
    if (host && (this.hosts.get(`${name}@${nodeId}`) ?? 0) > 0) return false;
    return this.count(name) + amount > max;
  }

  private move({ name, amount, host }: Counter, nodeId: string, sign: 1 | -1): void {
    if (host) {
      const key = `${name}@${nodeId}`;
      const before = this.hosts.get(key) ?? 0;
      const after = before + sign;
      if (after === 0) this.hosts.delete(key);
      else this.hosts.set(key, after);
      // Only the first lease on a node and the last one move the count.
      if (before > 0 && after > 0) return;
    }
    const count = this.count(name) + sign * amount;
    if (count === 0) this.counts.delete(name);
    else this.counts.set(name, count);
  }
}
