import { jobIdSchema, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { policySchema } from '@karst/shared/protocol/job.ts';
import { z } from 'zod';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import { jobDefinitionSchema } from '../store/job-record.ts';

/** job.json: what Redis is rebuilt from. */
export const jobFileSchema = z.object({
  id: jobIdSchema,
  studio: studioIdSchema,
  project: z.string(),
  policy: policySchema,
  definition: jobDefinitionSchema,
  createdAtMs: z.number(),
});
export type JobFile = z.infer<typeof jobFileSchema>;

export async function putJobFile(objects: ObjectStore, file: JobFile): Promise<void> {
  const { id, studio, project, policy, definition, createdAtMs } = file;
  await objects.putJson(objectKeys.job(studio, id), {
    id,
    studio,
    project,
    policy,
    definition,
    createdAtMs,
  });
}
