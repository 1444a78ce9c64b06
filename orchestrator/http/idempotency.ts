import { createHash } from 'node:crypto';
import { type JobId, jobIdSchema, type StudioId } from '@karst/shared/protocol/ids.ts';
import { z } from 'zod';
import type { Redis } from '../store/connection.ts';
import { keys } from '../store/keys.ts';
import { ProblemError } from './handler.ts';

export const IDEMPOTENCY_TTL_MS = 86_400_000;

export interface IdempotentCall {
  studio: StudioId;
  /** The Idempotency-Key header, scoped to the studio. */
  key: string;
  /** See bodyHash. */
  bodyHash: string;
  ttlMs: number;
}

const recordSchema = z.object({ bodyHash: z.string(), jobId: jobIdSchema });

/** Hash of a parsed body: what tells a repeated request from another one under the same key. */
export const bodyHash = (body: unknown): string =>
  createHash('sha256').update(JSON.stringify(body)).digest('hex');

/**
 * Which job id a submission has. The first call stores its fresh id before the job is made, so a
 * retry after a crash, or one that runs at the same time, makes or answers that same job:
 * `repeated` means that the job may exist already. Throws ProblemError idempotency_key_reused when
 * the key came with another body.
 */
export async function withIdempotency(
  redis: Redis,
  call: IdempotentCall,
  newJobId: () => JobId,
): Promise<{ jobId: JobId; repeated: boolean }> {
  const name = keys.idempotency(call.studio, call.key);
  for (;;) {
    const jobId = newJobId();
    const record = JSON.stringify({ bodyHash: call.bodyHash, jobId });
    if ((await redis.set(name, record, 'PX', call.ttlMs, 'NX')) === 'OK') {
      return { jobId, repeated: false };
    }
    const stored = await redis.get(name);
    // It expired between the two calls: this one is the first again.
    if (stored === null) continue;
    const first = recordSchema.parse(JSON.parse(stored));
    if (first.bodyHash !== call.bodyHash) {
      throw new ProblemError(
        'idempotency_key_reused',
        `The key "${call.key}" was used for another request; take a new key for a new job.`,
      );
    }
    return { jobId: first.jobId, repeated: true };
  }
}
