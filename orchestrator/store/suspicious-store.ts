import type { JobId } from '@karst/shared/protocol/ids.ts';
import {
  SUSPICIOUS_PER_TASK_MAX,
  SUSPICIOUS_TASKS_MAX,
  type SuspicionReason,
  type SuspiciousFrame,
  suspicionReasonSchema,
  suspiciousFrameSchema,
} from '@karst/shared/protocol/previews.ts';
import { z } from 'zod';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';
import { asInteger } from './reply.ts';
import { loadScript } from './script.ts';

const noteScript = loadScript('note_suspicious');

/** A suspicious frame where its step is known. */
export type Suspicion = Omit<SuspiciousFrame, 'step'>;

const notedSchema = z.object({
  e: z.int(),
  n: z.int(),
  f: z.array(suspiciousFrameSchema.omit({ step: true })),
});

const ITEMS_MAX = 1000;

/** What of a job's pictures a person should look at. */
export class SuspiciousStore {
  private readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  /** Replaces what is noted of a task's pictures, if they still count. True: something is new. */
  noteTask(
    at: { jobId: JobId; step: number; task: number; epoch: number },
    frames: readonly Suspicion[],
  ): Promise<boolean> {
    return this.note(at, String(at.task), { epoch: at.epoch, endedAt: '' }, frames);
  }

  /** Replaces what is missing in a step that ended at `endedAtMs` and has not been reopened. */
  noteMissing(
    at: { jobId: JobId; step: number; endedAtMs: number },
    frames: readonly Suspicion[],
  ): Promise<boolean> {
    return this.note(at, 'missing', { epoch: 0, endedAt: at.endedAtMs }, frames);
  }

  private async note(
    { jobId, step }: { jobId: JobId; step: number },
    field: string,
    { epoch, endedAt }: { epoch: number; endedAt: number | '' },
    frames: readonly Suspicion[],
  ): Promise<boolean> {
    const f = frames.slice(0, SUSPICIOUS_PER_TASK_MAX);
    const noted = f.length === 0 ? '' : JSON.stringify({ e: epoch, n: frames.length, f });
    const reply = await noteScript.run(
      this.redis,
      { job_key: keys.job(jobId), step_key: keys.step(jobId, step) },
      { field, epoch, ended_at: endedAt, noted, tasks_max: SUSPICIOUS_TASKS_MAX },
    );
    const isNew = asInteger(reply) === 1;
    if (isNew) await this.count(frames);
    return isNew;
  }

  private async count(frames: readonly Suspicion[]): Promise<void> {
    for (const [reason, those] of Map.groupBy(frames, (frame) => frame.reason)) {
      await this.redis.hincrby(keys.suspiciousCounts(), reason, those.length);
    }
  }

  /** How many were ever found on this farm, by reason. */
  async counts(): Promise<Record<SuspicionReason, number>> {
    const hash = await this.redis.hgetall(keys.suspiciousCounts());
    const entries = suspicionReasonSchema.options.map((reason) => [
      reason,
      Number(hash[reason] ?? 0),
    ]);
    return z.record(suspicionReasonSchema, z.number()).parse(Object.fromEntries(entries));
  }

  /** Those of a job's steps in their order, by task, missing ones last. At most 1,000. */
  async list(jobId: JobId, steps: readonly string[]): Promise<SuspiciousFrame[]> {
    const items: SuspiciousFrame[] = [];
    for (const [index, step] of steps.entries()) {
      const hash = await this.redis.hgetall(keys.suspicious(jobId, index));
      const place = (field: string) =>
        field === 'missing' ? Number.POSITIVE_INFINITY : Number(field);
      const fields = Object.keys(hash).sort((a, b) => place(a) - place(b));
      for (const field of fields) {
        const { f } = notedSchema.parse(JSON.parse(hash[field] ?? ''));
        items.push(...f.map((frame) => ({ step, ...frame })));
        if (items.length >= ITEMS_MAX) return items.slice(0, ITEMS_MAX);
      }
    }
    return items;
  }
}
