import { z } from 'zod';
import { admin, done, operator } from './access-kinds.ts';
import { studioIdSchema } from './ids.ts';
import { projectSchema } from './job.ts';
import { type Route, route } from './route.ts';

/** How long ended jobs of a studio, or of a project within it, are kept. */
export const storageSettingsSchema = z
  .strictObject({
    retentionDays: z
      .int()
      .min(1)
      .max(36_500)
      .nullable()
      .optional()
      .describe(
        'Jobs that ended longer ago are deleted with all they left. null: kept for ever, also where the studio says otherwise. Absent: as the studio says, and a studio that says nothing keeps them for ever.',
      ),
  })
  .meta({ id: 'StorageSettings' });
export type StorageSettings = z.infer<typeof storageSettingsSchema>;

export const namedStorageSettingsSchema = storageSettingsSchema
  .extend({
    studio: studioIdSchema,
    project: projectSchema.optional().describe('Absent: the whole studio.'),
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
    summary: 'Every studio and project for which it is set how long jobs are kept.',
    access: operator,
    response: z.object({ items: z.array(namedStorageSettingsSchema) }),
  }),
  setStudioStorage: route({
    method: 'put',
    path: '/v1/studios/{studio}/storage',
    tag: 'settings',
    summary: "Set how long a studio's ended jobs are kept.",
    access: admin,
    params: studioParams,
    body: storageSettingsSchema,
    response: namedStorageSettingsSchema,
  }),
  deleteStudioStorage: route({
    method: 'delete',
    path: '/v1/studios/{studio}/storage',
    tag: 'settings',
    summary: "Keep a studio's ended jobs for ever.",
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
    body: storageSettingsSchema,
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
