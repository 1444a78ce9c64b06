import { createHash } from 'node:crypto';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import { z } from 'zod';
import { PAGE_TASKS } from '../history/page-name.ts';
import type { Redis } from './connection.ts';
import { type Effects, parseEffects } from './effects.ts';
import type { JobDefinition } from './job-record.ts';
import { keys } from './keys.ts';
import { asArray, asInteger } from './reply.ts';
import { loadScript } from './script.ts';

const extendStepScript = loadScript('extend_step');

/** What a call with an Idempotency-Key added. */
const callRecordSchema = z.object({
  bodyHash: z.string(),
  step: z.int(),
  first: z.int(),
  last: z.int(),
});
export type ExtensionCall = z.infer<typeof callRecordSchema>;

export interface Extension {
  step: number;
  /** How many tasks it adds. */
  tasks: number;
  /** Of the definition's text that it was made from. */
  sha1: string;
  definition: JobDefinition;
  call?: { key: string; record: ExtensionCall };
}

/** The field of the job's hash where it stands. */
const callField = (key: string) => `added:${createHash('sha256').update(key).digest('hex')}`;

/** Tasks added to steps of jobs that are there. */
export class ExtensionStore {
  private readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  /** What a former call under this key added to the job. */
  async formerCall(jobId: JobId, key: string): Promise<ExtensionCall | undefined> {
    const text = await this.redis.hget(keys.job(jobId), callField(key));
    return text === null ? undefined : callRecordSchema.parse(JSON.parse(text));
  }

  /** Undefined: job or step take none by now, or the definition is another: nothing was changed. */
  async extend(
    jobId: JobId,
    { step, tasks, sha1, definition, call }: Extension,
    nowMs: number,
  ): Promise<Effects | undefined> {
    // First, so that the reconcile pass finds a job that reopens, and lets go of one that does not.
    await this.redis.sadd(keys.activeJobs(), jobId);
    const [done, effects] = asArray(
      await extendStepScript.run(
        this.redis,
        {
          job_key: keys.job(jobId),
          definition_key: keys.jobDefinition(jobId),
          step_key: keys.step(jobId, step),
        },
        {
          step_index: step,
          now_ms: nowMs,
          page_tasks: PAGE_TASKS,
          definition_sha1: sha1,
          definition: JSON.stringify(definition),
          tasks,
          call_field: call === undefined ? '' : callField(call.key),
          call: call === undefined ? '' : JSON.stringify(call.record),
        },
      ),
    );
    return asInteger(done) === 1 ? parseEffects(effects) : undefined;
  }
}
