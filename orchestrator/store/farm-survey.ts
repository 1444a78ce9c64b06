import { type JobId, type NodeId, nodeIdSchema } from '@karst/shared/protocol/ids.ts';
import type { StepLoad } from '../scheduler/ahead.ts';
import { TaskTimes } from '../scheduler/task-times.ts';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';

/** Commands sent in one pipeline. */
const BATCH = 500;

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

  /** How long the step's tasks took. */
  async times({ jobId, step }: StepPlace): Promise<TaskTimes> {
    const counts = await this.redis.hgetall(keys.times(jobId, step));
    return new TaskTimes(
      Object.entries(counts).map(([bucket, n]) => [Number(bucket), Number(n)] as const),
    );
  }
}
