import type { JobId, StudioId } from '@karst/shared/protocol/ids.ts';
import { newJobId } from '@karst/shared/protocol/ids.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import type { Random } from '@karst/shared/random.ts';
import { checkSubmission, type SubmitParts, storeSubmission } from '../../jobs/submit-job.ts';
import type { Redis } from '../../store/connection.ts';
import { stepOf } from '../../store/job-record.ts';
import type { JobStore } from '../../store/job-store.ts';
import { type Handlers, ProblemError } from '../handler.ts';
import { bodyHash, IDEMPOTENCY_TTL_MS, withIdempotency } from '../idempotency.ts';

type JobHandlers = Pick<Handlers, 'submitJob' | 'listJobs' | 'getJob' | 'listSteps'>;

/** The studio's own job. Throws not_found for anyone else's, as for none. */
export async function ownJob(jobs: JobStore, studio: StudioId, jobId: JobId): Promise<Job> {
  const job = await jobs.readOwn(studio, jobId);
  if (job === undefined) throw new ProblemError('not_found', `There is no job ${jobId}.`);
  return job;
}

export function jobHandlers(parts: {
  redis: Redis;
  jobs: JobStore;
  submit: SubmitParts;
  random: Random;
}): JobHandlers {
  const { jobs, random } = parts;
  return {
    async submitJob({ body }, { principal, idempotencyKey }) {
      const { studio } = principal;
      if (idempotencyKey === undefined) {
        const checked = await checkSubmission(parts.submit, studio, body);
        return await storeSubmission(parts.submit, studio, newJobId(random), checked);
      }
      // A refused submission must not spend its key: the user corrects it and sends it again.
      const known = await checkSubmission(parts.submit, studio, body);
      const call = {
        studio,
        key: idempotencyKey,
        bodyHash: bodyHash(body),
        ttlMs: IDEMPOTENCY_TTL_MS,
      };
      const { jobId } = await withIdempotency(parts.redis, call, () => newJobId(random));
      const existing = await jobs.readOwn(studio, jobId);
      // A job that has started was stored whole; one that has not may have been cut off half-way.
      const mayBeHalf = existing?.state === 'pending' || existing?.state === 'paused';
      if (existing !== undefined && !mayBeHalf) return existing;
      return await storeSubmission(parts.submit, studio, jobId, known);
    },

    async listJobs({ query }, { principal }) {
      const offset = parseCursor(query.cursor);
      const items: Job[] = [];
      let next = offset;
      for (;;) {
        const page = await jobs.list(principal.studio, next, query.limit);
        for (const job of page) {
          next += 1;
          if (query.state === undefined || job.state === query.state) items.push(job);
          if (items.length === query.limit) return { items, nextCursor: String(next) };
        }
        if (page.length < query.limit) return { items };
      }
    },

    getJob: ({ params }, { principal }) => ownJob(jobs, principal.studio, params.jobId),

    async listSteps({ params }, { principal }) {
      const job = await ownJob(jobs, principal.studio, params.jobId);
      const records = await jobs.steps(job.id, job.stepCount);
      const names = records.map((record) => record.name);
      return { items: records.map((record, index) => stepOf(index, record, names)) };
    },
  };
}

/** Cursors of listings by position are that position. */
export function parseCursor(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  if (/^\d{1,12}$/.test(cursor)) return Number(cursor);
  throw new ProblemError('invalid_request', 'found an odd cursor, expected a page’s nextCursor', [
    { path: ['query', 'cursor'], message: "expected a previous page's nextCursor" },
  ]);
}
