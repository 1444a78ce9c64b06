import type { JobId, NodeId } from '@karst/shared/protocol/ids.ts';
import type { TaskState } from '@karst/shared/protocol/job.ts';
import { z } from 'zod';
import type { HistoryReader } from '../history/history-reader.ts';
import { pageOf } from '../history/page-name.ts';
import {
  type AcceptedOutputs,
  type AttemptRecord,
  acceptedOutputs,
  unpackAttempt,
  unpackRun,
} from './attempt-record.ts';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';
import type { LeasedSpan, Span, SpanStore } from './span-store.ts';

/** What a running attempt told of itself. */
export const progressSchema = z.object({
  percent: z.number().optional(),
  status: z.string().optional(),
  silentSeconds: z.number().optional(),
});

/** A task as far as anything is stored of it: most waiting tasks have nothing. */
export interface TaskFacts {
  index: number;
  state: TaskState;
  failures: number;
  progress: z.infer<typeof progressSchema> | undefined;
  nodeId: NodeId | undefined;
  /** Where it runs a second time beside that, and since when; neither while that waits for a node. */
  rerun: { nodeId?: NodeId; grantedAtMs?: number } | undefined;
  /** When the span it is the first task of was granted, while that is leased. */
  grantedAtMs: number | undefined;
  attempt: AttemptRecord | undefined;
  outputs: AcceptedOutputs | undefined;
  /** The tasks it runs, fails and runs again with; undefined where chunks don't adapt, or before one was made. */
  chunk: ChunkBounds | undefined;
}

export interface ChunkBounds {
  first: number;
  last: number;
}

export interface TaskQuery {
  from: number;
  limit: number;
  state: TaskState | undefined;
  taskCount: number;
}

/** Tasks looked through in one request when a state is asked for; the cursor goes on from there. */
const LOOKED_THROUGH_MAX = 100_000;
const CHUNK = 8192;

interface StepTable {
  spans: Span[];
  stepEnded: boolean;
  isChunked: boolean;
  /** What was never in a span has been canceled, while the rest goes on. */
  isUnfedCanceled: boolean;
}

/** Reads tasks: their state is derived from bitmaps and the span table, never stored a task at a time. */
export class TaskReader {
  private readonly redis: Redis;
  private readonly spans: SpanStore;
  private readonly history: HistoryReader;

  constructor(redis: Redis, spans: SpanStore, history: HistoryReader) {
    this.redis = redis;
    this.spans = spans;
    this.history = history;
  }

  async page(
    jobId: JobId,
    step: number,
    query: TaskQuery,
  ): Promise<{ facts: TaskFacts[]; next: number | undefined }> {
    const table = await this.table(jobId, step);
    const wanted: number[] = [];
    const end = Math.min(query.taskCount, query.from + LOOKED_THROUGH_MAX);
    let at = query.from;
    while (at < end && wanted.length < query.limit) {
      const stop = Math.min(at + CHUNK, end);
      const states = await this.states(jobId, step, at, stop, table);
      for (const state of states) {
        if (wanted.length === query.limit) break;
        if (query.state === undefined || state === query.state) wanted.push(at);
        at += 1;
      }
    }
    const facts = await this.read(jobId, step, wanted, table);
    return { facts, next: at < query.taskCount ? at : undefined };
  }

  /** The tasks of these indices. */
  async read(
    jobId: JobId,
    step: number,
    tasks: readonly number[],
    known?: StepTable,
  ): Promise<TaskFacts[]> {
    if (tasks.length === 0) return [];
    const table = known ?? (await this.table(jobId, step));
    const chunks = await this.chunksOf(jobId, step, tasks, table);
    // What is stored of a chunk stands under its first task.
    const places = tasks.map((task, i) => chunks[i]?.first ?? task);
    const fields = places.map(String);
    const [failures, attempts, runs, outputs, progress] = await Promise.all([
      this.redis.hmget(keys.failures(jobId, step), ...fields),
      this.redis.hmget(keys.attempts(jobId, step), ...fields),
      Promise.all(places.map((place) => this.lastRun(jobId, step, place))),
      this.redis.hmget(keys.outputs(jobId, step), ...fields),
      this.redis.hmget(keys.progress(jobId, step), ...fields),
    ]);
    // Redis first: what is not there any more is on a page by then.
    const pages = await this.history.pagesOf(jobId, step, places);
    return await Promise.all(
      tasks.map(async (index, i) => {
        const [seen = 'waiting'] = await this.states(jobId, step, index, index + 1, table);
        const place = places[i] ?? index;
        const page = pages.get(pageOf(place));
        const text = attempts[i];
        const here = latest([text ? unpackAttempt(text) : undefined, runs[i]]);
        const paged = page?.attempt(place);
        const attempt = latest([paged, here]);
        const listed = leaseOf(table, index);
        // The table was read before the attempts: a lease that has left one is over.
        const isOver = listed !== undefined && attempt?.epoch === listed.epoch;
        const lease = isOver ? undefined : listed;
        const state = isOver && seen === 'running' ? 'waiting' : seen;
        const said = progress[i];
        const isPaged = attempt !== undefined && attempt === paged && hasEnded.has(state);
        return {
          index,
          state,
          failures: Number(failures[i] ?? (isPaged ? page?.failures(place) : 0)),
          progress: said ? progressSchema.parse(JSON.parse(said)) : undefined,
          nodeId: lease?.nodeId ?? attempt?.nodeId,
          // The others of a span have not begun.
          grantedAtMs:
            chunks[i] !== undefined || lease?.first === index ? lease?.grantedAtMs : undefined,
          rerun: rerunOf(table, lease),
          attempt,
          outputs: acceptedOutputs(outputs[i] ?? null, page?.outputs(place)),
          chunk: chunks[i],
        };
      }),
    );
  }

  /** The chunk of each task, as far as there is one. */
  private async chunksOf(
    jobId: JobId,
    step: number,
    tasks: readonly number[],
    { isChunked }: StepTable,
  ): Promise<(ChunkBounds | undefined)[]> {
    if (!isChunked) return [];
    return await Promise.all(
      tasks.map(async (task) => {
        const [member] = await this.redis.zrevrangebyscore(
          keys.chunks(jobId, step),
          task,
          '-inf',
          'LIMIT',
          0,
          1,
        );
        const [first, last] = member?.split(' ').map(Number) ?? [];
        if (first === undefined || last === undefined || last < task) return undefined;
        return { first, last };
      }),
    );
  }

  /** The attempt of the run that holds the task, where it was a bare success. */
  private async lastRun(
    jobId: JobId,
    step: number,
    task: number,
  ): Promise<AttemptRecord | undefined> {
    const [member] = await this.redis.zrevrangebyscore(
      keys.runs(jobId, step),
      task,
      '-inf',
      'LIMIT',
      0,
      1,
    );
    const run = member === undefined ? undefined : unpackRun(member);
    return run === undefined || run.last < task ? undefined : run.attempt;
  }

  private async table(jobId: JobId, step: number): Promise<StepTable> {
    const [state, chunked, unfed] = await this.redis.hmget(
      keys.step(jobId, step),
      'state',
      'chunked',
      'unfed_canceled',
    );
    const stepEnded = state === 'succeeded' || state === 'failed' || state === 'canceled';
    const spans = stepEnded ? [] : await this.spans.list(jobId, step);
    return { spans, stepEnded, isChunked: chunked === '1', isUnfedCanceled: unfed === '1' };
  }

  /** States of tasks from..to-1. */
  private async states(
    jobId: JobId,
    step: number,
    from: number,
    to: number,
    table: StepTable,
  ): Promise<TaskState[]> {
    const bytes = [Math.floor(from / 8), Math.floor((to - 1) / 8)] as const;
    const [succeeded, failed, fed] = await Promise.all([
      this.redis.getrangeBuffer(keys.succeeded(jobId, step), ...bytes),
      this.redis.getrangeBuffer(keys.failed(jobId, step), ...bytes),
      table.isUnfedCanceled
        ? this.redis.getrangeBuffer(keys.fed(jobId, step), ...bytes)
        : undefined,
    ]);
    const bit = (buffer: Buffer, task: number) => {
      const byte = buffer[Math.floor(task / 8) - bytes[0]] ?? 0;
      return ((byte >> (7 - (task % 8))) & 1) === 1;
    };
    return Array.from({ length: to - from }, (_, i) => {
      const task = from + i;
      if (bit(succeeded, task)) return 'succeeded';
      if (bit(failed, task)) return 'failed';
      if (table.stepEnded || (fed !== undefined && !bit(fed, task))) return 'canceled';
      const runs = leaseOf(table, task) !== undefined || isDone(table, task);
      return runs ? 'running' : 'waiting';
    });
  }
}

const hasEnded: ReadonlySet<TaskState> = new Set(['succeeded', 'failed', 'canceled']);

/** The one with the highest epoch. */
function latest(attempts: readonly (AttemptRecord | undefined)[]): AttemptRecord | undefined {
  return attempts.reduce((last, one) => {
    if (last === undefined || one === undefined) return last ?? one;
    return one.epoch > last.epoch ? one : last;
  });
}

/** Of two leases the original's: it is the earlier in the table. */
function leaseOf(table: StepTable, task: number): LeasedSpan | undefined {
  for (const span of table.spans) {
    if (span.state === 'leased' && span.first <= task && task <= span.last) return span;
  }
  return undefined;
}

const isDone = ({ spans }: StepTable, task: number): boolean =>
  spans.some(({ state, first, last }) => state === 'done' && first <= task && task <= last);

function rerunOf({ spans }: StepTable, lease: LeasedSpan | undefined): TaskFacts['rerun'] {
  if (lease?.partner === undefined || lease.partner === 0) return undefined;
  const other = spans.find(({ spanId }) => spanId === lease.partner);
  if (other?.state !== 'leased') return {};
  return { nodeId: other.nodeId, grantedAtMs: other.grantedAtMs };
}
