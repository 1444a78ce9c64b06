import { z } from 'zod';
import { admin, done, operator } from './access-kinds.ts';
import { studioIdSchema } from './ids.ts';
import { projectSchema } from './job.ts';
import { type Route, route } from './route.ts';

const retention = {
  retentionDays: z
    .int()
    .min(1)
    .max(36_500)
    .nullable()
    .optional()
    .describe(
      'Jobs that ended longer ago are deleted with all they left. null: kept for ever, also where the studio says otherwise. Absent: as the studio says, and a studio that says nothing keeps them for ever.',
    ),
};

/** How long ended jobs of a studio are kept, and how much it may store. */
export const storageSettingsSchema = z
  .strictObject({
    ...retention,
    quotaBytes: z
      .int()
      .min(0)
      .optional()
      .describe(
        'What would take the studio above it is not submitted; outputs of jobs that run are taken. Absent: no bound.',
      ),
  })
  .meta({ id: 'StorageSettings' });
export type StorageSettings = z.infer<typeof storageSettingsSchema>;

const projectStorageSettingsSchema = z
  .strictObject(retention)
  .meta({ id: 'ProjectStorageSettings' });

export const namedStorageSettingsSchema = storageSettingsSchema
  .extend({
    studio: studioIdSchema,
    project: projectSchema.optional().describe('Absent: the whole studio.'),
    usedBytes: z.int().min(0).optional().describe('In lists: what the studio stores.'),
  })
  .meta({ id: 'NamedStorageSettings' });
export type NamedStorageSettings = z.infer<typeof namedStorageSettingsSchema>;

const studioParams = z.object({ studio: studioIdSchema });
const projectParams = studioParams.extend({ project: projectSchema });

export const storageSettingsRoutes = {
  listStorageSettings: route({
    method: 'get',
    path: '/v1/storage/settings',
    tag: 'settings',
    summary: 'Every studio and project for which it is set how long jobs are kept, or how much is.',
    access: operator,
    response: z.object({ items: z.array(namedStorageSettingsSchema) }),
  }),
  setStudioStorage: route({
    method: 'put',
    path: '/v1/studios/{studio}/storage',
    tag: 'settings',
    summary: "Set how long a studio's ended jobs are kept, and how much it may store.",
    access: admin,
    params: studioParams,
    body: storageSettingsSchema,
    response: namedStorageSettingsSchema,
  }),
  deleteStudioStorage: route({
    method: 'delete',
    path: '/v1/studios/{studio}/storage',
    tag: 'settings',
    summary: "Keep a studio's ended jobs for ever, and bound nothing.",
    access: admin,
    params: studioParams,
    response: done,
    problems: ['not_found'],
  }),
  setProjectStorage: route({
    method: 'put',
    path: '/v1/studios/{studio}/projects/{project}/storage',
    tag: 'settings',
    summary: "Set how long a project's ended jobs are kept.",
    access: admin,
    params: projectParams,
    body: projectStorageSettingsSchema,
    response: namedStorageSettingsSchema,
  }),
  deleteProjectStorage: route({
    method: 'delete',
    path: '/v1/studios/{studio}/projects/{project}/storage',
    tag: 'settings',
    summary: "Keep a project's ended jobs for as long as those of its studio.",
    access: admin,
    params: projectParams,
    response: done,
    problems: ['not_found'],
  }),
} as const satisfies Record<string, Route>;
