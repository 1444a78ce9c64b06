import type { Clock } from '@karst/shared/clock.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import { terminalJobStates } from '@karst/shared/protocol/job.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Logger } from 'pino';
import type { JobEvents } from '../jobs/job-events.ts';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import { acceptedOutputs } from '../store/attempt-record.ts';
import type { Redis } from '../store/connection.ts';
import type { JobStore } from '../store/job-store.ts';
import { keys } from '../store/keys.ts';
import { asInteger } from '../store/reply.ts';
import { loadScript } from '../store/script.ts';
import { underLock } from './job-lock.ts';
import type { Pass } from './pass.ts';

const markPublishedScript = loadScript('mark_published');

const ENTRIES_AT_ONCE = 8;

interface Entry {
  text: string;
  step: number;
  task: number;
  epoch: number;
  count: number;
}

function parseEntry(text: string): Entry {
  const [step, task, epoch, count] = text.split(':').map(asInteger);
  if (step === undefined || task === undefined || epoch === undefined || count === undefined) {
    throw new TypeError(`redis: odd unpublished entry "${text}"`);
  }
  return { text, step, task, epoch, count };
}

export interface PublishParts {
  redis: Redis;
  jobs: JobStore;
  objects: ObjectStore;
  events: JobEvents;
  clock: Clock;
  random: Random;
  logger: Logger;
  periodMs: number;
}

/**
 * Copies accepted outputs into the studio's view and writes each task's manifest. The list of what is
 * left is written in the Lua call that accepts the outputs, so none is forgotten; every part may be
 * done twice.
 */
export function publishOutputsPass(parts: PublishParts): Pass {
  const { redis, jobs, objects, events, logger } = parts;

  async function publishEntry(jobId: JobId, entry: Entry): Promise<void> {
    const definition = await jobs.definition(jobId);
    const studio = await events.studioOf(jobId);
    const text = await redis.hget(keys.outputs(jobId, entry.step), String(entry.task));
    const step = definition?.job.steps[entry.step];
    const accepted = acceptedOutputs(text, undefined);
    // A task that was requeued and ran again has newer outputs with an entry of their own.
    if (studio !== undefined && step !== undefined && accepted?.epoch === entry.epoch) {
      const { task, epoch } = entry;
      await objects.putJson(objectKeys.outputs(studio, jobId, entry.step, task), accepted);
      for (const { path } of accepted.files) {
        const from = objectKeys.attempt(studio, jobId, entry.step, task, epoch, path);
        const to = objectKeys.view(studio, jobId, step.name, path);
        if (!(await objects.copy(from, to))) {
          logger.error({ job: jobId, key: from }, 'accepted output is gone from storage');
        }
      }
    }
    await markPublishedScript.run(
      redis,
      { job_key: keys.job(jobId), unpublished_key: keys.unpublished(jobId) },
      { entry: entry.text, count: entry.count },
    );
  }

  /**
   * A job is listed before its outputs are accepted, so an entry never stands on an unlisted job's list:
   * it may leave only when no more can come.
   */
  async function unlist(jobId: JobId): Promise<void> {
    const job = await jobs.read(jobId);
    if (job === undefined) await redis.srem(keys.publishingJobs(), jobId);
    else if (terminalJobStates.has(job.state) && job.outputs.accepted === job.outputs.published) {
      await redis.srem(keys.publishingJobs(), jobId);
    }
  }

  async function publishJob(jobId: JobId): Promise<void> {
    let published = 0;
    const isMine = await underLock(parts, `${keys.unpublished(jobId)}:lock`, async () => {
      for (;;) {
        const texts = await redis.lrange(keys.unpublished(jobId), 0, ENTRIES_AT_ONCE - 1);
        if (texts.length === 0) break;
        await Promise.all(texts.map((text) => publishEntry(jobId, parseEntry(text))));
        published += texts.length;
      }
    });
    if (!isMine) return;
    await unlist(jobId);
    if (published > 0) await events.jobChanged(jobId);
  }

  return {
    name: 'publish-outputs',
    periodMs: parts.periodMs,
    async runOnce() {
      const ids = await redis.smembers(keys.publishingJobs());
      for (const id of ids) await publishJob(jobIdSchema.parse(id));
    },
  };
}
