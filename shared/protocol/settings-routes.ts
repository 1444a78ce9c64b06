import { z } from 'zod';
import { admin, done, operator, read } from './access-kinds.ts';
import {
  limitSettingsSchema,
  limitUseSchema,
  namedLimitSchema,
  namedPoolSchema,
  namedShareSchema,
  ownShareSchema,
  poolNameSchema,
  poolSettingsSchema,
  shareSettingsSchema,
} from './farm-settings.ts';
import { studioIdSchema } from './ids.ts';
import { limitNameSchema, projectSchema } from './job.ts';
import { type Route, route } from './route.ts';

const studioParams = z.object({ studio: studioIdSchema });
const projectParams = studioParams.extend({ project: projectSchema });
const limitParams = z.object({ name: limitNameSchema });
const poolParams = z.object({ name: poolNameSchema });

const shareRoutes = {
  getOwnShare: route({
    method: 'get',
    path: '/v1/share',
    tag: 'settings',
    summary: "The studio's own share of the farm, what it used lately and what it holds now.",
    access: read,
    response: ownShareSchema,
  }),
  listShares: route({
    method: 'get',
    path: '/v1/shares',
    tag: 'settings',
    summary: 'Every studio and project that has a share of its own or used the farm lately.',
    access: operator,
    response: z.object({ items: z.array(namedShareSchema) }),
  }),
  setStudioShare: route({
    method: 'put',
    path: '/v1/studios/{studio}/share',
    tag: 'settings',
    summary: "Set a studio's share, ceilings and budget, in force at the next grant.",
    access: admin,
    params: studioParams,
    body: shareSettingsSchema,
    response: namedShareSchema,
  }),
  deleteStudioShare: route({
    method: 'delete',
    path: '/v1/studios/{studio}/share',
    tag: 'settings',
    summary: 'Give a studio the share that every studio has, without ceilings and budget.',
    access: admin,
    params: studioParams,
    response: done,
    problems: ['not_found'],
  }),
  setProjectShare: route({
    method: 'put',
    path: '/v1/studios/{studio}/projects/{project}/share',
    tag: 'settings',
    summary: "Set a project's share within its studio, its ceilings and budget.",
    access: admin,
    params: projectParams,
    body: shareSettingsSchema,
    response: namedShareSchema,
  }),
  deleteProjectShare: route({
    method: 'delete',
    path: '/v1/studios/{studio}/projects/{project}/share',
    tag: 'settings',
    summary:
      'Give a project the share that every project of its studio has, without ceilings and budget.',
    access: admin,
    params: projectParams,
    response: done,
    problems: ['not_found'],
  }),
} as const satisfies Record<string, Route>;

const limitRoutes = {
  listLimits: route({
    method: 'get',
    path: '/v1/limits',
    tag: 'settings',
    summary: 'Every limit (licences and the like) and how much of it is in use.',
    access: operator,
    response: z.object({ items: z.array(namedLimitSchema) }),
  }),
  setLimit: route({
    method: 'put',
    path: '/v1/limits/{name}',
    tag: 'settings',
    summary: 'Make or change a limit. Lowered below what is in use, it lets no more tasks start.',
    access: operator,
    params: limitParams,
    body: limitSettingsSchema,
    response: namedLimitSchema,
  }),
  setLimitUse: route({
    method: 'patch',
    path: '/v1/limits/{name}',
    tag: 'settings',
    summary: 'Tell how many of a limit are in use outside the farm.',
    access: operator,
    params: limitParams,
    body: limitUseSchema,
    response: namedLimitSchema,
    problems: ['not_found'],
  }),
  deleteLimit: route({
    method: 'delete',
    path: '/v1/limits/{name}',
    tag: 'settings',
    summary: 'Remove a limit: jobs that name it are held back no longer.',
    access: operator,
    params: limitParams,
    response: done,
    problems: ['not_found'],
  }),
} as const satisfies Record<string, Route>;

const poolRoutes = {
  listPools: route({
    method: 'get',
    path: '/v1/pools',
    tag: 'settings',
    summary: 'Every pool that has settings or nodes.',
    access: operator,
    response: z.object({ items: z.array(namedPoolSchema) }),
  }),
  setPool: route({
    method: 'put',
    path: '/v1/pools/{name}',
    tag: 'settings',
    summary: 'Say whose jobs the nodes of a pool take, and when.',
    access: operator,
    params: poolParams,
    body: poolSettingsSchema,
    response: namedPoolSchema,
  }),
  deletePool: route({
    method: 'delete',
    path: '/v1/pools/{name}',
    tag: 'settings',
    summary: "Remove a pool's settings: its nodes stay in it and take everybody's jobs.",
    access: operator,
    params: poolParams,
    response: done,
    problems: ['not_found'],
  }),
} as const satisfies Record<string, Route>;

export const settingsRoutes = { ...shareRoutes, ...limitRoutes, ...poolRoutes } as const;
