import { type JobId, jobIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import { type Deletion, type DeletionStore, deletionSchema } from '../store/deletion-store.ts';

export interface DeleteParts {
  deletions: DeletionStore;
  objects: ObjectStore;
}

/**
 * Deletes an ended job: listed for deletion, out of Redis in one step, its tombstone in storage, in this
 * order. Its objects are left to the pass `delete-jobs`, which goes on from any of these points. False:
 * it has not ended, or runs again.
 */
export async function deleteJob(
  { deletions, objects }: DeleteParts,
  { id, studio, stepCount }: Pick<Job, 'id' | 'studio' | 'stepCount'>,
): Promise<boolean> {
  const deletion = { studio, steps: stepCount };
  await deletions.list(id, deletion);
  if ((await deletions.remove(id)) === 'open') {
    await deletions.strikeOff(id);
    return false;
  }
  await putTombstone(objects, id, deletion);
  await deletions.unlist(id, studio);
  return true;
}

/** While it stands, a rebuilt Redis does not get the job back, of which half may be gone. */
export async function putTombstone(
  objects: ObjectStore,
  id: JobId,
  deletion: Deletion,
): Promise<void> {
  await objects.putJson(objectKeys.tombstone(id), deletion);
}

/** After Redis was lost: lists the jobs whose deletion had begun, and answers them. */
export async function restoreDeletions(
  { deletions, objects }: DeleteParts,
  tombstones: AsyncIterable<string>,
): Promise<ReadonlySet<JobId>> {
  const found = new Set<JobId>();
  for await (const key of tombstones) {
    const stored = await objects.getJson(key);
    if (stored === undefined) continue;
    const id = jobIdSchema.parse(key.slice(objectKeys.tombstones.length, -'.json'.length));
    await deletions.list(id, deletionSchema.parse(stored));
    found.add(id);
  }
  return found;
}
