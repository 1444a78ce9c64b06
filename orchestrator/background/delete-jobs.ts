import type { Clock } from '@karst/shared/clock.ts';
import type { JobId, StudioId } from '@karst/shared/protocol/ids.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Logger } from 'pino';
import { addObjects, noTotals } from '../domain/storage-totals.ts';
import { putTombstone } from '../jobs/delete-job.ts';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { SpanQueue } from '../queue/span-queue.ts';
import type { Redis } from '../store/connection.ts';
import type { Deletion, DeletionStore } from '../store/deletion-store.ts';
import { keys } from '../store/keys.ts';
import type { StorageUseStore } from '../store/storage-use-store.ts';
import { underLock } from './job-lock.ts';
import type { Pass } from './pass.ts';

/** Objects deleted in one run, in pages of what one call takes: a replica that stops waits for a run. */
const OBJECTS_PER_RUN_MAX = 20_000;

/** Links to upload to are good for a day at most, and no pass takes longer over a job. */
const LATE_WRITES_MS = 25 * 3_600_000;

export interface DeleteJobsParts {
  redis: Redis;
  deletions: DeletionStore;
  objects: ObjectStore;
  queue: SpanQueue;
  storageUse: StorageUseStore;
  clock: Clock;
  random: Random;
  logger: Logger;
  /** Has this pass run again at once. */
  again(): void;
  periodMs: number;
}

/**
 * Goes on with every deletion of a job that was begun, wherever it was cut off: out of Redis, its
 * tombstone, its objects; a day later what others still wrote meanwhile, and the tombstone itself. Every
 * part may be done twice.
 */
export function deleteJobsPass(parts: DeleteJobsParts): Pass {
  const { deletions, objects, storageUse, logger } = parts;
  let left = 0;

  /** Answers whether nothing lies below the prefix any more. */
  async function emptied(studio: StudioId, prefix: string): Promise<boolean> {
    while (left > 0) {
      const { items } = await objects.list(prefix);
      if (items.length === 0) return true;
      await objects.deleteAll(items.map(({ key }) => key));
      const gone = noTotals();
      addObjects(gone, objectKeys.studioPrefix(studio), items);
      await storageUse.takeOff(studio, gone);
      left -= items.length;
    }
    return false;
  }

  async function goOn(jobId: JobId, deletion: Deletion): Promise<void> {
    const { studio, steps } = deletion;
    if ((await deletions.remove(jobId)) === 'open') {
      await deletions.strikeOff(jobId);
      return;
    }
    await putTombstone(objects, jobId, deletion);
    await deletions.unlist(jobId, studio);
    for (let step = 0; step < steps; step++) await parts.queue.remove({ jobId, step });
    const isOver =
      (await emptied(studio, objectKeys.viewPrefix(studio, jobId))) &&
      (await emptied(studio, objectKeys.jobPrefix(studio, jobId)));
    if (!isOver) return;
    if (deletion.emptiedAtMs === undefined) {
      await deletions.list(jobId, { ...deletion, emptiedAtMs: parts.clock.nowMs() });
      return;
    }
    await objects.delete(objectKeys.tombstone(jobId));
    await deletions.strikeOff(jobId);
    logger.info({ job: jobId }, 'job deleted');
  }

  return {
    name: 'delete-jobs',
    periodMs: parts.periodMs,
    async runOnce() {
      left = OBJECTS_PER_RUN_MAX;
      for (const [jobId, deletion] of await deletions.listed()) {
        const { emptiedAtMs = 0 } = deletion;
        if (parts.clock.nowMs() - emptiedAtMs < LATE_WRITES_MS) continue;
        await underLock(parts, keys.deletionLock(jobId), () => goOn(jobId, deletion));
        if (left <= 0) return parts.again();
      }
    },
  };
}
