import type { JobId, LeaseId, NodeId } from '@karst/shared/protocol/ids.ts';
import { leaseIdSchema, nodeIdSchema } from '@karst/shared/protocol/ids.ts';
import type { TaskRange } from '../domain/task-order.ts';
import { storedAttemptSchema } from './attempt-record.ts';
import type { Redis } from './connection.ts';
import { type Effects, parseEffects } from './effects.ts';
import { keys, type LeaseRef } from './keys.ts';
import { asArray, asInteger, asText } from './reply.ts';
import {
  type LeaseResults,
  leaseWords,
  type ReportedLease,
  reportedLease,
} from './report-words.ts';
import { loadScript } from './script.ts';

export type { FailureCode, PathConflict, ReportedLease, ResultWords } from './report-words.ts';

const createSpansScript = loadScript('create_spans');
const createChunksScript = loadScript('create_chunks');
const listTasksScript = loadScript('list_tasks');
const grantSpansScript = loadScript('grant_spans');
const voidLeaseScript = loadScript('void_lease');
const reportLeasesScript = loadScript('report_leases');
const expireLeaseScript = loadScript('expire_lease');
const rerunSpanScript = loadScript('rerun_span');
const setProgressScript = loadScript('set_progress');

/** Most failures of a task by faults of nodes or the farm before it is given up. */
export const FAULTS_PER_TASK_MAX = 10;

/** A node that failed a task is avoided for so long, ms: others that suit may all be busy. */
export const AVOIDED_MS = 10 * 60_000;
/** A grant on its way for longer belongs to a process that hung: reconcile takes such a lease back. */
const VOID_KEPT_MS = 600_000;

/** Two spans may be of the same tasks: an original, and its rerun (store/lua/include/rerun.lua). */
export type Span =
  | {
      state: 'queued';
      spanId: number;
      first: number;
      last: number;
      /** The span it is a rerun of: its tasks run already. */
      original?: number;
    }
  | {
      state: 'leased';
      spanId: number;
      first: number;
      last: number;
      epoch: number;
      leaseId: LeaseId;
      nodeId: NodeId;
      grantedAtMs: number;
      /** The other span of the same tasks; 0: there was one. */
      partner?: number;
    }
  /** Its task has succeeded, and counts as running until all of its gang have. */
  | { state: 'done'; spanId: number; first: number; last: number };
export type LeasedSpan = Extract<Span, { state: 'leased' }>;

export interface Granted {
  first: number;
  last: number;
  epoch: number;
  /** Of the definition it runs under; absent: the first. */
  revision?: number;
}

/** One for each lease, in the order given, and what they did together. */
export interface Reported {
  leases: ReportedLease[];
  effects: Effects;
}

const SPAN = /^([qtld]) (\d+) (\d+)(?: (\d+)(?: (\S+) (\S+) (\d+)(?: (\d+))?)?)?$/;

export function parseSpan(spanId: string, text: string): Span {
  const [, state, first, last, number, lease, node, granted, partner] = SPAN.exec(text) ?? [];
  if (first === undefined || last === undefined) throw new TypeError(`redis: odd span "${text}"`);
  const tasks = { spanId: Number(spanId), first: Number(first), last: Number(last) };
  if (state === 'q') return { state: 'queued', ...tasks };
  if (state === 't') return { state: 'queued', ...tasks, original: Number(number) };
  if (state === 'd') return { state: 'done', ...tasks };
  return {
    state: 'leased',
    ...tasks,
    epoch: Number(number),
    leaseId: leaseIdSchema.parse(lease),
    nodeId: nodeIdSchema.parse(node),
    grantedAtMs: Number(granted),
    ...(partner === undefined ? {} : { partner: Number(partner) }),
  };
}

const stepKeys = (jobId: JobId, step: number) => ({
  job_key: keys.job(jobId),
  step_key: keys.step(jobId, step),
  spans_key: keys.spans(jobId, step),
});

/** The span table: the truth about what is queued, leased and done. */
export class SpanStore {
  private readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  /** Makes up to `count` spans of `size` tasks. */
  async createSpans(
    jobId: JobId,
    step: number,
    size: number,
    count: number,
  ): Promise<{ remaining: number; spanIds: number[] }> {
    const reply = asArray(
      await createSpansScript.run(this.redis, stepKeys(jobId, step), {
        step_index: step,
        size,
        count,
      }),
    ).map(asInteger);
    return { remaining: reply[0] ?? 0, spanIds: reply.slice(1) };
  }

  /**
   * Makes chunks, each given by its last task, from task `cursor` on; 'moved' when the step's cursor is
   * no longer there and nothing was made. There may be fewer spans than chunks, or more, where tasks
   * restored from storage have succeeded already.
   */
  async createChunks(
    jobId: JobId,
    step: number,
    cursor: number,
    lasts: readonly number[],
  ): Promise<{ remaining: number; spanIds: number[] } | 'moved'> {
    const reply = asArray(
      await createChunksScript.run(
        this.redis,
        { ...stepKeys(jobId, step), chunks_key: keys.chunks(jobId, step) },
        { step_index: step, cursor },
        lasts,
      ),
    ).map(asInteger);
    const [remaining = 0, ...spanIds] = reply;
    return remaining < 0 ? 'moved' : { remaining, spanIds };
  }

  /**
   * Makes a span of each range of tasks, and moves the cursor of the step's order from `cursor` to
   * `next`; tasks that were in a span before are left out. 'moved' as for chunks.
   */
  async listTasks(
    jobId: JobId,
    step: number,
    { cursor, next, ranges }: { cursor: number; next: number; ranges: readonly TaskRange[] },
  ): Promise<{ remaining: number; spanIds: number[] } | 'moved'> {
    const reply = asArray(
      await listTasksScript.run(
        this.redis,
        { job_key: keys.job(jobId), step_key: keys.step(jobId, step) },
        { step_index: step, cursor, next },
        ranges.flatMap(({ first, last }) => [first, last]),
      ),
    ).map(asInteger);
    const [remaining = 0, ...spanIds] = reply;
    return remaining < 0 ? 'moved' : { remaining, spanIds };
  }

  /**
   * Leases spans in the order given; null where a span is no longer queued, or is `avoided`: its task
   * failed on the node lately and one of `suitableNodes` others may take it (0: any node may), or it is
   * the rerun of one that the node has.
   */
  async grant(
    jobId: JobId,
    step: number,
    nodeId: NodeId,
    nowMs: number,
    wanted: readonly { spanId: number; leaseId: LeaseId }[],
    suitableNodes = 0,
  ): Promise<
    | { status: 'held' }
    | {
        status: 'granted';
        jobStarted: boolean;
        spans: (Granted | null)[];
        avoided: Set<number>;
        voided: Set<number>;
      }
  > {
    const reply = asArray(
      await grantSpansScript.run(
        this.redis,
        stepKeys(jobId, step),
        {
          node_id: nodeId,
          now_ms: nowMs,
          suitable: suitableNodes,
          avoided_since: nowMs - AVOIDED_MS,
        },
        wanted.flatMap(({ spanId, leaseId }) => [spanId, leaseId]),
      ),
    );
    if (reply[0] === 'held') return { status: 'held' };
    const avoided = new Set<number>();
    const voided = new Set<number>();
    const revision = asInteger(reply[2]);
    const spans = wanted.map(({ spanId }, i) => {
      const [first, last, epoch] = reply.slice(3 + 3 * i, 6 + 3 * i).map(asInteger);
      if (first === undefined || last === undefined || epoch === undefined) {
        throw new TypeError('redis: grant_spans answered too few spans');
      }
      if (first === -2) avoided.add(spanId);
      if (first === -3) voided.add(spanId);
      return first < 0 ? null : { first, last, epoch, ...(revision > 0 ? { revision } : {}) };
    });
    return { status: 'granted', jobStarted: asInteger(reply[1]) === 1, spans, avoided, voided };
  }

  /**
   * Records what `nodeId` reports of leases of one step, in one transition; 'lost' for one that is not,
   * or no longer, its own.
   */
  async report(
    nodeId: NodeId,
    { jobId, step }: Pick<LeaseRef, 'jobId' | 'step'>,
    nowMs: number,
    leases: readonly LeaseResults[],
  ): Promise<Reported> {
    const reply = asArray(
      await reportLeasesScript.run(
        this.redis,
        stepKeys(jobId, step),
        { step_index: step, node_id: nodeId, now_ms: nowMs, max_faults: FAULTS_PER_TASK_MAX },
        leases.flatMap(leaseWords),
      ),
    );
    return {
      effects: parseEffects(reply[0]),
      leases: leases.map((_, i) => reportedLease(reply.slice(1 + 4 * i, 5 + 4 * i))),
    };
  }

  /** Takes a lease back; `record` is the lost attempt, charged to its task as a fault of the node's. */
  async expire(
    lease: Omit<LeaseRef, 'epoch'>,
    nowMs: number,
    record: string,
    isFault = true,
  ): Promise<{ expired: boolean; requeued: boolean; runsOn: boolean; effects: Effects }> {
    const reply = asArray(
      await expireLeaseScript.run(this.redis, stepKeys(lease.jobId, lease.step), {
        step_index: lease.step,
        span_id: lease.spanId,
        lease_id: lease.leaseId,
        now_ms: nowMs,
        max_faults: FAULTS_PER_TASK_MAX,
        record,
        fault: isFault ? 1 : 0,
      }),
    );
    return {
      expired: asInteger(reply[0]) === 1,
      requeued: asInteger(reply[1]) === 1,
      effects: parseEffects(reply[2]),
      runsOn: asInteger(reply[3]) === 1,
    };
  }

  /** Queues a rerun of a leased span; undefined where it may have none, or none more. */
  async rerun(lease: Omit<LeaseRef, 'epoch'>): Promise<number | undefined> {
    const { jobId, step, spanId, leaseId } = lease;
    const words = { span_id: spanId, lease_id: leaseId };
    const reply = await rerunSpanScript.run(this.redis, stepKeys(jobId, step), words);
    return asInteger(reply) || undefined;
  }

  async setProgress(lease: LeaseRef, task: number, progress: string): Promise<boolean> {
    const reply = await setProgressScript.run(
      this.redis,
      {
        spans_key: keys.spans(lease.jobId, lease.step),
        progress_key: keys.progress(lease.jobId, lease.step),
      },
      { span_id: lease.spanId, lease_id: lease.leaseId, task, progress },
    );
    return asInteger(reply) === 1;
  }

  /** Nodes that a task failed on, if that many are why it was given up; else none. */
  async poisonedOn(jobId: JobId, step: number, task: number): Promise<NodeId[]> {
    const text = await this.redis.hget(keys.attempts(jobId, step), String(task));
    if (text === null) return [];
    const { p = '' } = storedAttemptSchema.parse(JSON.parse(text));
    return p.split(' ').flatMap((node) => nodeIdSchema.safeParse(node).data ?? []);
  }

  /** The live lease of a span, if it is this one. */
  async readLease(lease: LeaseRef): Promise<Span | undefined> {
    const text = await this.redis.hget(keys.spans(lease.jobId, lease.step), String(lease.spanId));
    if (text === null) return undefined;
    const span = parseSpan(String(lease.spanId), text);
    return span.state === 'leased' && span.leaseId === lease.leaseId ? span : undefined;
  }

  /**
   * The span of a lease that its node does not hold; undefined when it is not leased under it, and from
   * then on never will be.
   */
  async voidLease(lease: LeaseRef): Promise<Span | undefined> {
    const { jobId, step, spanId, leaseId } = lease;
    const text = asText(
      await voidLeaseScript.run(
        this.redis,
        { step_key: keys.step(jobId, step), spans_key: keys.spans(jobId, step) },
        { span_id: spanId, lease_id: leaseId, keep_ms: VOID_KEPT_MS },
      ),
    );
    return text === '' ? undefined : parseSpan(String(spanId), text);
  }

  /** The revision of what a job's leases run under; undefined: the first. */
  async revision(jobId: JobId): Promise<number | undefined> {
    const revision = await this.redis.hget(keys.job(jobId), 'revision');
    return revision === null ? undefined : Number(revision);
  }

  /** Every queued or leased span of a step: as many as slots and buffer, never as many as tasks. */
  async list(jobId: JobId, step: number): Promise<Span[]> {
    const table = await this.redis.hgetall(keys.spans(jobId, step));
    return Object.entries(table).map(([spanId, text]) => parseSpan(spanId, text));
  }
}
