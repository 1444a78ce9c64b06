import type { Clock } from '@karst/shared/clock.ts';
import { type JobId, jobIdSchema, type NodeId } from '@karst/shared/protocol/ids.ts';
import type { Logger } from 'pino';
import {
  type HealthLimits,
  jobsToAskFor,
  judgeNode,
  type NewEvidence,
  type NodeHealth,
  withFailures,
  withSuccesses,
} from '../domain/node-health.ts';
import type { JobEvents } from '../jobs/job-events.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { type HealthStore, parseHealth } from '../store/health-store.ts';
import type { JobStore } from '../store/job-store.ts';
import type { ListedLease } from '../store/node-store.ts';

/** A failure as a report tells it. */
export type SeenFailure = Omit<NewEvidence, 'atMs' | 'jobSucceeded'>;

/** What a node's call told of its tasks. */
export interface Seen {
  failures: readonly SeenFailure[];
  /** Tasks that succeeded. */
  succeeded: number;
}

/** Others may decide about the same node at once; more often than this they don't. */
const TRIES_MAX = 10;

/** Keeps what nodes fail, and quarantines those whose failures are their own. */
export class NodeWatch {
  private readonly parts: {
    health: HealthStore;
    jobs: JobStore;
    events: JobEvents;
    metrics: Metrics;
    clock: Clock;
    logger: Logger;
    healthLimits: HealthLimits;
  };

  constructor(parts: NodeWatch['parts']) {
    this.parts = parts;
  }

  /**
   * Takes in what a call told, `before` being what was kept of the node when it came; answers what is
   * kept now. A node that never failed costs nothing. Without `before` it is looked up.
   */
  async note(
    nodeId: NodeId,
    before: string | undefined,
    seen: Seen,
  ): Promise<NodeHealth | undefined> {
    let text = before ?? (await this.parts.health.read(nodeId));
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const known = parseHealth(text);
      if (known === undefined && seen.failures.length === 0) return undefined;
      const next = await this.decide(known, seen);
      if (JSON.stringify(next ?? '') === JSON.stringify(known ?? '')) return known;
      if (await this.parts.health.change(nodeId, text, next)) {
        await this.tell(nodeId, known, next);
        return next;
      }
      text = await this.parts.health.read(nodeId);
    }
    this.parts.logger.warn({ node: nodeId }, 'the node changes too fast to be judged');
    return parseHealth(text);
  }

  /** The node was gone while it held leases: one event, however many. */
  async lost(nodeId: NodeId, leases: readonly ListedLease[]): Promise<NodeHealth | undefined> {
    const before = await this.parts.health.read(nodeId);
    const [lease] = leases;
    if (lease === undefined) return parseHealth(before);
    const definition = await this.parts.jobs.definition(lease.jobId);
    const step = definition?.job.steps[lease.step]?.name ?? String(lease.step);
    const failure = { jobId: lease.jobId, step, task: 0, kind: 'lost', ofNode: true } as const;
    return await this.note(nodeId, before, { failures: [failure], succeeded: 0 });
  }

  private async decide(
    known: NodeHealth | undefined,
    { failures, succeeded }: Seen,
  ): Promise<NodeHealth | undefined> {
    const { healthLimits: limits, clock } = this.parts;
    const nowMs = clock.nowMs();
    // Failures first: a call whose last word is a success is no reason to doubt.
    const evidence = await Promise.all(
      failures.map(async (failure) => {
        return { ...failure, atMs: nowMs, jobSucceeded: await this.succeededOf(failure.jobId) };
      }),
    );
    const failed = evidence.length === 0 ? known : withFailures(known, evidence, limits, nowMs);
    const next = succeeded === 0 ? failed : withSuccesses(failed, succeeded, limits, nowMs);
    if (next === undefined) return undefined;
    const counts = new Map<string, number>();
    for (const jobId of jobsToAskFor(next, limits)) {
      counts.set(jobId, await this.succeededOf(jobIdSchema.parse(jobId)));
    }
    return judgeNode(next, (jobId) => counts.get(jobId) ?? 0, limits, nowMs);
  }

  private async succeededOf(jobId: JobId): Promise<number> {
    return (await this.parts.jobs.read(jobId))?.taskCounts.succeeded ?? 0;
  }

  private async tell(
    nodeId: NodeId,
    before: NodeHealth | undefined,
    after: NodeHealth | undefined,
  ): Promise<void> {
    const { events, logger, metrics } = this.parts;
    if (after?.quarantine === undefined) {
      if (before?.quarantine !== undefined) logger.info({ node: nodeId }, 'node is sound again');
      return;
    }
    if (after.quarantine.sinceMs === before?.quarantine?.sinceMs) return;
    const { reason, untilMs } = after.quarantine;
    metrics.nodeQuarantined();
    logger.warn({ node: nodeId, reason, untilMs, evidence: after.evidence }, 'node quarantined');
    await events.quarantined(nodeId, untilMs, after.evidence);
  }
}
