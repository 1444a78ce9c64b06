import {
  type JobId,
  jobIdSchema,
  type StudioId,
  studioIdSchema,
} from '@karst/shared/protocol/ids.ts';
import { z } from 'zod';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';
import { asText } from './reply.ts';
import { loadScript } from './script.ts';

const deleteJobScript = loadScript('delete_job');

/** Longer than an idempotency key is kept. */
const REMEMBERED_MS = 2 * 86_400_000;

/** What has to be known of a job of which Redis knows nothing any more. */
export const deletionSchema = z.object({
  studio: studioIdSchema,
  steps: z.int().min(0),
  /** When nothing was left of it in storage, ms; what others were writing then may have come since. */
  emptiedAtMs: z.number().optional(),
});
export type Deletion = z.infer<typeof deletionSchema>;

const outcomeSchema = z.enum(['deleted', 'gone', 'open']);

/** Jobs that are being deleted: listed first, taken out of Redis in one step, struck off last. */
export class DeletionStore {
  private readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  /** Lists a job as one that is being deleted, unless it turns out not to have ended. */
  async list(jobId: JobId, deletion: Deletion): Promise<void> {
    await this.redis.hset(keys.deletingJobs(), jobId, JSON.stringify(deletion));
  }

  async listed(): Promise<[JobId, Deletion][]> {
    const all = Object.entries(await this.redis.hgetall(keys.deletingJobs()));
    return all.map(([id, text]) => [jobIdSchema.parse(id), deletionSchema.parse(JSON.parse(text))]);
  }

  /** Takes an ended job out of Redis. 'open': it has not ended, or runs again; nothing was changed. */
  async remove(jobId: JobId): Promise<z.infer<typeof outcomeSchema>> {
    const reply = await deleteJobScript.run(
      this.redis,
      { job_key: keys.job(jobId), deleted_key: keys.deletedJob(jobId) },
      { remembered_ms: REMEMBERED_MS },
    );
    return outcomeSchema.parse(asText(reply));
  }

  /** Takes a removed job off every list of jobs. */
  async unlist(jobId: JobId, studio: StudioId): Promise<void> {
    await this.redis.zrem(keys.studioJobs(studio), jobId);
    await this.redis.srem(keys.activeJobs(), jobId);
    await this.redis.srem(keys.unpagedJobs(), jobId);
    await this.redis.srem(keys.publishingJobs(), jobId);
  }

  /** Nothing is left to be deleted, or it is not to be deleted after all. */
  async strikeOff(jobId: JobId): Promise<void> {
    await this.redis.hdel(keys.deletingJobs(), jobId);
  }
}
