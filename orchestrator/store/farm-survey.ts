import { type JobId, type NodeId, nodeIdSchema } from '@karst/shared/protocol/ids.ts';
import type { StepLoad } from '../scheduler/ahead.ts';
import { TaskTimes } from '../scheduler/task-times.ts';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';
import { parseSpan } from './span-store.ts';

/** Commands sent in one pipeline. */
const BATCH = 500;

/** Spans of one step looked at for what failed before. */
const SPANS_LOOKED_AT_MAX = 500;

/** A step by its place. */
export interface StepPlace {
  jobId: JobId;
  step: number;
}

/** Reads of many records at once, for those who explain: nothing here is on the way of a grant. */
export class FarmSurvey {
  private readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  async nodeIds(): Promise<NodeId[]> {
    const ids = await this.redis.smembers(keys.nodes());
    return ids.sort().map((id) => nodeIdSchema.parse(id));
  }

  /** Waiting tasks and mean run time of each step; nothing waits where a person holds it. */
  async loads(places: readonly StepPlace[]): Promise<StepLoad[]> {
    const loads: StepLoad[] = [];
    for (let i = 0; i < places.length; i += BATCH) {
      const read = places.slice(i, i + BATCH).map(async ({ jobId, step }) => {
        const fields = ['waiting', 'run_tasks', 'run_ms', 'held', 'state'] as const;
        const [waiting, runTasks, runMs, held, state] = await this.redis.hmget(
          keys.step(jobId, step),
          ...fields,
        );
        const mayRun = held === null && (state === 'ready' || state === 'running');
        const done = Number(runTasks ?? 0);
        return {
          waiting: mayRun ? Number(waiting ?? 0) : 0,
          meanTaskMs: done === 0 ? undefined : Number(runMs ?? 0) / done,
        };
      });
      loads.push(...(await Promise.all(read)));
    }
    return loads;
  }

  /**
   * Of a step whose every queued span is a failed task's: the nodes each failed on after `sinceMs`.
   * Empty where one is not, or there are more than anyone will look at.
   */
  async avoided({ jobId, step }: StepPlace, sinceMs: number): Promise<Set<string>[]> {
    const failures = keys.failures(jobId, step);
    if ((await this.redis.exists(failures)) === 0) return [];
    if ((await this.redis.hlen(keys.spans(jobId, step))) > SPANS_LOOKED_AT_MAX) return [];
    const table = await this.redis.hgetall(keys.spans(jobId, step));
    const queued = Object.entries(table)
      .map(([id, text]) => parseSpan(id, text))
      .filter((span) => span.state === 'queued' && span.original === undefined);
    if (queued.length === 0) return [];
    const found = await this.redis.hmget(failures, ...queued.map(({ first }) => `${first}:n`));
    const sets = found.map((text) => {
      const [atMs = '0', ...nodes] = (text ?? '').split(' ');
      return new Set(Number(atMs) > sinceMs ? nodes : []);
    });
    return sets.some((nodes) => nodes.size === 0) ? [] : sets;
  }

  /** How long the step's tasks took. */
  async times({ jobId, step }: StepPlace): Promise<TaskTimes> {
    const counts = await this.redis.hgetall(keys.times(jobId, step));
    return new TaskTimes(
      Object.entries(counts).map(([bucket, n]) => [Number(bucket), Number(n)] as const),
    );
  }
}
