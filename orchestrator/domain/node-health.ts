import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import { evidenceKindSchema } from '@karst/shared/protocol/node-health.ts';
import { z } from 'zod';

/** A failure on a node that may be the node's doing. One for each lease: that is one event. */
const evidenceSchema = z.object({
  jobId: jobIdSchema,
  step: z.string(),
  task: z.int(),
  kind: evidenceKindSchema,
  atMs: z.number(),
  /** The lease's; absent where the node was lost. */
  epoch: z.int().optional(),
  /** It was the node's fault, whatever became of the task elsewhere. */
  ofNode: z.boolean(),
  /** Succeeded tasks of the job then. */
  jobSucceeded: z.int(),
  /** Successes that the node had shown then. */
  nodeSucceeded: z.int(),
});
export type Evidence = z.infer<typeof evidenceSchema>;
export type NewEvidence = Omit<Evidence, 'nodeSucceeded'>;

/** What is kept of a node that failed something lately. */
export const nodeHealthSchema = z.object({
  evidence: z.array(evidenceSchema),
  /** Tasks that succeeded there since the first evidence. */
  succeeded: z.int(),
  quarantine: z
    .object({
      sinceMs: z.number(),
      /** Then it is on probation: one lease at a time, until a task succeeds or fails. */
      untilMs: z.number(),
      reason: z.string(),
      /** How often it was quarantined again on probation. */
      repeats: z.int(),
    })
    .optional(),
});
export type NodeHealth = z.infer<typeof nodeHealthSchema>;

export interface HealthLimits {
  /** Different jobs whose tasks failed there and not elsewhere; 0: no node is ever quarantined. */
  jobs: number;
  /** Faults of the node itself. */
  nodeFaults: number;
  /** Failures that count only where they are more than the successes. */
  failures: number;
  /** Older evidence is forgotten, ms. */
  windowMs: number;
  /** First quarantine and the longest, ms: each repeat doubles it. */
  coolMs: number;
  coolMsMax: number;
}

export const EVIDENCE_MAX = 20;
/** So that one job's failures do not push out those of others. */
const EVIDENCE_PER_JOB_MAX = 5;
const fresh: NodeHealth = { evidence: [], succeeded: 0 };

export type Standing = 'sound' | 'quarantined' | 'probation';

export function standing(health: NodeHealth | undefined, nowMs: number): Standing {
  if (health?.quarantine === undefined) return 'sound';
  return nowMs < health.quarantine.untilMs ? 'quarantined' : 'probation';
}

/** Tasks succeeded. Undefined: nothing is left to keep. On probation one success clears the node. */
export function withSuccesses(
  health: NodeHealth | undefined,
  tasks: number,
  limits: HealthLimits,
  nowMs: number,
): NodeHealth | undefined {
  if (health === undefined || standing(health, nowMs) === 'probation') return undefined;
  const evidence = recent(health, limits, nowMs);
  if (evidence.length === 0 && health.quarantine === undefined) return undefined;
  return { ...health, evidence, succeeded: health.succeeded + tasks };
}

/**
 * Failures came. On probation one is enough to be quarantined again, for twice as long, unless its job
 * has not succeeded anywhere yet: then it may be the job's.
 */
export function withFailures(
  health: NodeHealth = fresh,
  failures: readonly NewEvidence[],
  limits: HealthLimits,
  nowMs: number,
): NodeHealth {
  const evidence = recent(health, limits, nowMs);
  for (const one of failures) {
    const isKnown = evidence.some(
      ({ jobId, epoch }) => epoch !== undefined && jobId === one.jobId && epoch === one.epoch,
    );
    if (isKnown) continue;
    const sameJob = evidence.filter(({ jobId }) => jobId === one.jobId);
    const [oldest] = sameJob;
    if (oldest !== undefined && sameJob.length >= EVIDENCE_PER_JOB_MAX) {
      evidence.splice(evidence.indexOf(oldest), 1);
    }
    evidence.push({ ...one, nodeSucceeded: health.succeeded });
  }
  const next = { ...health, evidence: evidence.slice(-EVIDENCE_MAX) };
  const { quarantine } = health;
  const telling = failures.some(({ ofNode, jobSucceeded }) => ofNode || jobSucceeded > 0);
  if (quarantine === undefined || standing(health, nowMs) !== 'probation' || !telling) return next;
  const repeats = quarantine.repeats + 1;
  return {
    ...next,
    quarantine: {
      sinceMs: nowMs,
      untilMs: nowMs + Math.min(limits.coolMs * 2 ** repeats, limits.coolMsMax),
      reason: `${quarantine.reason}; it failed again on probation`,
      repeats,
    },
  };
}

/** Jobs that a verdict needs to know the succeeded tasks of; none where it can't come to anything. */
export function jobsToAskFor({ evidence, quarantine }: NodeHealth, limits: HealthLimits): string[] {
  if (limits.jobs === 0 || quarantine !== undefined) return [];
  const jobs = new Set(evidence.map(({ jobId }) => jobId));
  const enough = Math.min(limits.jobs, limits.nodeFaults, limits.failures);
  return evidence.length >= enough ? [...jobs] : [];
}

/**
 * Quarantines a node whose failures are its own. A task's failure counts only once its job has had more
 * successes since than this node can account for: then others could do it. A job that fails everywhere
 * thus never counts against a node, and one event never is enough.
 */
export function judgeNode(
  health: NodeHealth,
  succeededOf: (jobId: string) => number,
  limits: HealthLimits,
  nowMs: number,
): NodeHealth {
  if (limits.jobs === 0 || health.quarantine !== undefined) return health;
  const own = recent(health, limits, nowMs).filter(
    ({ ofNode, jobId, jobSucceeded, nodeSucceeded }) =>
      ofNode || succeededOf(jobId) - jobSucceeded > health.succeeded - nodeSucceeded,
  );
  const reason = reasonFor(own, health.succeeded, limits);
  if (reason === undefined) return health;
  const untilMs = nowMs + Math.min(limits.coolMs, limits.coolMsMax);
  return { ...health, quarantine: { sinceMs: nowMs, untilMs, reason, repeats: 0 } };
}

function reasonFor(
  own: readonly Evidence[],
  succeeded: number,
  limits: HealthLimits,
): string | undefined {
  const sinceSuccess = own.filter(({ nodeSucceeded }) => nodeSucceeded === succeeded);
  const jobs = new Set(sinceSuccess.map(({ jobId }) => jobId)).size;
  if (jobs >= limits.jobs) {
    return `tasks of ${jobs} jobs failed here in a row that other nodes could do`;
  }
  const faults = sinceSuccess.filter(({ ofNode }) => ofNode).length;
  if (faults >= limits.nodeFaults) return `${faults} faults of the node in a row`;
  const since = succeeded - (own[0]?.nodeSucceeded ?? succeeded);
  const several = new Set(own.map(({ jobId }) => jobId)).size > 1;
  if (several && own.length >= limits.failures && own.length > since) {
    return `${own.length} failures of ${own.length + since} that are the node's own`;
  }
  return undefined;
}

const recent = ({ evidence }: NodeHealth, { windowMs }: HealthLimits, nowMs: number): Evidence[] =>
  evidence.filter(({ atMs }) => atMs > nowMs - windowMs);
