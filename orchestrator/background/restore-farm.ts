import type { Clock } from '@karst/shared/clock.ts';
import {
  type JobId,
  jobIdSchema,
  type StudioId,
  studioIdSchema,
} from '@karst/shared/protocol/ids.ts';
import type { JobState } from '@karst/shared/protocol/job.ts';
import type { Logger } from 'pino';
import { z } from 'zod';
import { parsePageName } from '../history/page-name.ts';
import { restoreDeletions } from '../jobs/delete-job.ts';
import { hasCeilings, jobCeilings } from '../jobs/job-ceilings.ts';
import { jobEndSchema } from '../jobs/job-end.ts';
import { type JobFile, jobFileSchema } from '../jobs/job-file.ts';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { FarmSettings } from '../settings/farm-settings.ts';
import { restoreSettings } from '../settings/settings-control.ts';
import type { AssetTouches } from '../store/asset-touches.ts';
import { acceptedOutputsSchema } from '../store/attempt-record.ts';
import type { Redis } from '../store/connection.ts';
import type { DeletionStore } from '../store/deletion-store.ts';
import type { HistoryStore } from '../store/history-store.ts';
import type { JobStore } from '../store/job-store.ts';
import { keys } from '../store/keys.ts';
import type { Ledger } from '../store/ledger.ts';
import { pathHashes } from '../store/path-hash.ts';
import { asText } from '../store/reply.ts';
import { loadScript } from '../store/script.ts';
import type { UsageStore } from '../store/usage-store.ts';
import { restoreUsage } from './keep-usage.ts';

const restoreTasksScript = loadScript('restore_tasks');
const restoreEndScript = loadScript('restore_end');

/** Manifests read at once. */
const READS_AT_ONCE = 16;

const hashSchema = z.record(z.string(), z.string());

export interface RestoreParts {
  redis: Redis;
  objects: ObjectStore;
  jobs: JobStore;
  historyStore: HistoryStore;
  settings: FarmSettings;
  deletions: DeletionStore;
  touches: AssetTouches;
  ledger: Ledger;
  usageStore: UsageStore;
  clock: Clock;
  logger: Logger;
}

/**
 * Rebuilds Redis from storage when Redis is empty: keys, nodes, settings, jobs, accepted outputs. What an
 * accepted manifest names is not rendered again. Tasks without outputs of jobs that had not ended run
 * again: nothing of them is stored. Replicas that start together repeat each other harmlessly: every
 * part is idempotent.
 */
export async function restoreFarm(parts: RestoreParts): Promise<void> {
  if ((await parts.redis.get(keys.farm())) !== null) return;
  // Before anybody's key is known again.
  const studios = (await parts.objects.folders(objectKeys.studios)).map((s) =>
    studioIdSchema.parse(s),
  );
  for (const studio of studios) await parts.touches.forgot(studio, parts.clock.nowMs());
  await restoreHashes(parts, objectKeys.apiKeys, keys.apiKeys(), (id) => `karst:key:${id}`);
  await restoreHashes(parts, objectKeys.nodes, keys.nodes(), (id) => `karst:{${id}}:node`);
  await restoreSettings(parts.settings, parts.objects, allKeys(parts.objects, objectKeys.settings));
  await restoreUsage(parts.usageStore, parts.objects);
  const deleted = await restoreDeletions(parts, allKeys(parts.objects, objectKeys.tombstones));
  let restored = 0;
  for (const studioId of studios) {
    for (const job of await parts.objects.folders(objectKeys.studioJobs(studioId))) {
      const jobId = jobIdSchema.parse(job);
      if (!deleted.has(jobId) && (await restoreJob(parts, studioId, jobId))) restored += 1;
    }
  }
  await parts.redis.set(keys.farm(), new Date(parts.clock.nowMs()).toISOString());
  if (restored > 0) parts.logger.warn({ jobs: restored }, 'Redis was empty: rebuilt from storage');
}

/** Mirrors a hash of the farm's own (a key, a node) to storage, whence restoreFarm brings it back. */
export async function mirrorHash(
  parts: Pick<RestoreParts, 'redis' | 'objects'>,
  folder: string,
  id: string,
  redisKey: string,
  fields: readonly string[],
): Promise<void> {
  const hash = await parts.redis.hgetall(redisKey);
  const kept = Object.entries(hash).filter(([field]) => fields.includes(field));
  await parts.objects.putJson(`${folder}${id}.json`, Object.fromEntries(kept));
}

async function restoreHashes(
  { redis, objects }: RestoreParts,
  folder: string,
  index: string,
  keyOf: (id: string) => string,
): Promise<void> {
  for await (const key of allKeys(objects, folder)) {
    const id = key.slice(folder.length, -'.json'.length);
    const hash = hashSchema.parse(await objects.getJson(key));
    if ((await redis.exists(keyOf(id))) === 1) continue;
    await redis.hset(keyOf(id), hash);
    if (hash.revokedAtMs === undefined) await redis.sadd(index, id);
  }
}

async function restoreJob(parts: RestoreParts, studio: StudioId, jobId: JobId): Promise<boolean> {
  const { objects, jobs, redis, clock } = parts;
  const stored = await objects.getJson(objectKeys.job(studio, jobId));
  if (stored === undefined) return false;
  const job = jobFileSchema.parse(stored);
  const end = await objects.getJson(objectKeys.jobEnd(studio, jobId));
  const { state, message } = endOf(job, end === undefined ? undefined : jobEndSchema.parse(end));
  await jobs.create(job);
  for (const step of job.definition.job.steps.keys()) {
    await restoreStep(parts, studio, jobId, step);
    await restoreHistory(parts, studio, jobId, step);
  }
  await redis.sadd(keys.publishingJobs(), jobId);
  await redis.sadd(keys.unpagedJobs(), jobId);
  if (state === '' && hasCeilings(job)) {
    await parts.ledger.setCeilings(jobCeilings({ ...job, state: 'pending' }));
  }
  // Seconds since 1970 are more than the grants of any job: no lost lease's epoch is met again.
  const nowMs = clock.nowMs();
  const reply = await restoreEndScript.run(
    redis,
    { job_key: keys.job(jobId) },
    { now_ms: nowMs, epoch: Math.floor(nowMs / 1000), ended: state, message },
  );
  parts.logger.info({ job: jobId, state: asText(reply) }, 'job restored');
  return true;
}

/** How the job had ended; nothing where it has more tasks than it had then. */
function endOf(
  { definition }: JobFile,
  end: z.output<typeof jobEndSchema> | undefined,
): { state: JobState | ''; message: string } {
  const none = { state: '', message: '' } as const;
  if (end === undefined) return none;
  const tasks = definition.job.steps.reduce((sum, { taskCount }) => sum + taskCount, 0);
  const wasAddedTo = end.state === 'succeeded' && end.tasks !== undefined && end.tasks < tasks;
  return wasAddedTo ? none : end;
}

async function restoreStep(
  parts: RestoreParts,
  studio: StudioId,
  jobId: JobId,
  step: number,
): Promise<void> {
  const folder = objectKeys.outputsPrefix(studio, jobId, step);
  let batch: string[] = [];
  const flush = async () => {
    const manifests = await Promise.all(batch.map((key) => parts.objects.getJson(key)));
    const words = manifests.flatMap((manifest, i) => {
      const accepted = acceptedOutputsSchema.parse(manifest);
      const task = Number(batch[i]?.slice(folder.length, -'.json'.length));
      const { last = task, files, epoch } = accepted;
      return [task, last, JSON.stringify(accepted), files.length, epoch, pathHashes(files)];
    });
    batch = [];
    if (words.length === 0) return;
    await restoreTasksScript.run(
      parts.redis,
      { job_key: keys.job(jobId), step_key: keys.step(jobId, step) },
      { step_index: step, now_ms: parts.clock.nowMs() },
      words,
    );
  };
  for await (const key of allKeys(parts.objects, folder)) {
    batch.push(key);
    if (batch.length === READS_AT_ONCE) await flush();
  }
  await flush();
}

/** Which objects hold details of the step's tasks: of several of one page the last counts. */
async function restoreHistory(
  parts: RestoreParts,
  studio: StudioId,
  jobId: JobId,
  step: number,
): Promise<void> {
  const folder = objectKeys.historyPrefix(studio, jobId, step);
  const last = new Map<number, { version: number; name: string }>();
  for await (const key of allKeys(parts.objects, folder)) {
    const name = key.slice(folder.length, -'.json'.length);
    const parsed = parsePageName(name);
    if (parsed === undefined) continue;
    const { page, version } = parsed;
    if (version > (last.get(page)?.version ?? 0)) last.set(page, { version, name });
  }
  // Which of them hold outputs is not in their names: they are looked into when outputs are asked for.
  const entries = [...last].map(([page, { name }]) => [page, { name, hasOutputs: true }] as const);
  await parts.historyStore.restore(jobId, step, new Map(entries));
}

async function* allKeys(objects: ObjectStore, prefix: string): AsyncGenerator<string> {
  let cursor: string | undefined;
  do {
    const page = await objects.list(prefix, cursor);
    for (const { key } of page.items) yield key;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}
