import type { Clock } from '@karst/shared/clock.ts';
import type { JobId, StudioId } from '@karst/shared/protocol/ids.ts';
import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import { terminalJobStates } from '@karst/shared/protocol/job.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Logger } from 'pino';
import { mapConcurrently } from '../http/concurrency.ts';
import type { JobEvents } from '../jobs/job-events.ts';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { PreviewFeed } from '../previews/preview-feed.ts';
import { acceptedOutputs } from '../store/attempt-record.ts';
import type { Redis } from '../store/connection.ts';
import type { JobStore } from '../store/job-store.ts';
import { keys } from '../store/keys.ts';
import { asInteger } from '../store/reply.ts';
import { loadScript } from '../store/script.ts';
import { underLock } from './job-lock.ts';
import type { Pass } from './pass.ts';

const markPublishedScript = loadScript('mark_published');

/** Taken from the list in one go. */
const ENTRIES_AT_ONCE = 128;
/** Requests under way: they wait for storage, not for us. */
const REQUESTS_AT_ONCE = 32;

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

/** A job's outputs as they stand in Redis, step by step. */
async function acceptedTexts(
  redis: Redis,
  jobId: JobId,
  entries: readonly Entry[],
): Promise<(string | null)[]> {
  const texts = new Map<Entry, string | null>();
  for (const step of new Set(entries.map((entry) => entry.step))) {
    const own = entries.filter((entry) => entry.step === step);
    const found = await redis.hmget(keys.outputs(jobId, step), ...own.map(({ task }) => `${task}`));
    for (const [i, entry] of own.entries()) texts.set(entry, found[i] ?? null);
  }
  return entries.map((entry) => texts.get(entry) ?? null);
}

type Request = () => Promise<void>;

interface Place {
  jobId: JobId;
  studio: StudioId;
  steps: readonly { name: string }[];
}

export interface PublishParts {
  redis: Redis;
  jobs: JobStore;
  objects: ObjectStore;
  events: JobEvents;
  previewFeed: PreviewFeed;
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
  const { redis, jobs, objects, events, previewFeed, logger } = parts;

  /** What storage still has to be asked for, for one entry: its manifest, and a copy of each file. */
  function requestsOf(place: Place, { step, task, epoch }: Entry, text: string | null): Request[] {
    const accepted = acceptedOutputs(text, undefined);
    const { jobId, studio, steps } = place;
    const name = steps[step]?.name;
    // A task that was requeued and ran again has newer outputs with an entry of their own.
    if (name === undefined || accepted?.epoch !== epoch) return [];
    const manifest = objectKeys.outputs(studio, jobId, step, task);
    return [
      () => objects.putJson(manifest, accepted),
      ...accepted.files.map(({ path, sizeBytes }) => async () => {
        const from = objectKeys.attempt(studio, jobId, step, task, epoch, path);
        const to = objectKeys.view(studio, jobId, name, path);
        if (await objects.copy(from, to, sizeBytes)) return;
        logger.error({ job: jobId, key: from }, 'accepted output is gone from storage');
      }),
    ];
  }

  /** The manifests and accepted files of entries; those that are done are struck off together. */
  async function publishEntries(jobId: JobId, entries: readonly Entry[]): Promise<void> {
    const definition = await jobs.definition(jobId);
    const studio = await events.studioOf(jobId);
    const texts = await acceptedTexts(redis, jobId, entries);
    const place =
      definition === undefined || studio === undefined
        ? undefined
        : { jobId, studio, steps: definition.job.steps };
    const requests = entries.flatMap((entry, i) =>
      (place === undefined ? [] : requestsOf(place, entry, texts[i] ?? null)).map((send) => ({
        entry,
        send,
      })),
    );
    const failed = new Set<Entry>();
    let failure: unknown;
    await mapConcurrently(requests, REQUESTS_AT_ONCE, async ({ entry, send }) => {
      // Once storage fails, the rest waits for the next run.
      if (failure !== undefined) failed.add(entry);
      else {
        await send().catch((error: unknown) => {
          failed.add(entry);
          failure = error;
        });
      }
    });
    const done = entries.filter((entry) => !failed.has(entry));
    const files = new Map(entries.map((entry, i) => [entry, texts[i] ?? null]));
    await previewFeed.published(
      jobId,
      done.map((entry) => ({ ...entry, outputs: files.get(entry) ?? null })),
    );
    await markPublishedScript.run(
      redis,
      { job_key: keys.job(jobId), unpublished_key: keys.unpublished(jobId) },
      {},
      done.flatMap(({ text, count }) => [text, count]),
    );
    if (failure !== undefined) throw failure;
  }

  /**
   * A job is listed before its outputs are accepted, so an entry never stands on an unlisted job's list:
   * it may leave only when no more can come.
   */
  async function unlist(jobId: JobId): Promise<void> {
    const job = await jobs.read(jobId);
    if (job === undefined) await redis.srem(keys.publishingJobs(), jobId);
    else if (terminalJobStates.has(job.state) && job.outputs.accepted === job.outputs.published) {
      await previewFeed.jobEnded(jobId, job.stepCount);
      await redis.srem(keys.publishingJobs(), jobId);
    }
  }

  async function publishJob(jobId: JobId): Promise<void> {
    let published = 0;
    const isMine = await underLock(parts, `${keys.unpublished(jobId)}:lock`, async () => {
      for (;;) {
        const texts = await redis.lrange(keys.unpublished(jobId), 0, ENTRIES_AT_ONCE - 1);
        if (texts.length === 0) break;
        await publishEntries(jobId, texts.map(parseEntry));
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
