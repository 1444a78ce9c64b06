import { z } from 'zod';
import { keyCreatedSchema, keyCreateSchema, keySchema, whoamiSchema } from './access.ts';
import { admin, done, open, read } from './access-kinds.ts';
import { keyIdSchema } from './ids.ts';
import { type Route, route } from './route.ts';

export const accessRoutes = {
  whoami: route({
    method: 'get',
    path: '/v1/whoami',
    tag: 'access',
    summary: 'Which studio and role the key has.',
    access: read,
    response: whoamiSchema,
  }),
  createKey: route({
    method: 'post',
    path: '/v1/keys',
    tag: 'access',
    summary: 'Make an API key. A studio exists from its first key on.',
    access: admin,
    body: keyCreateSchema,
    response: keyCreatedSchema,
    status: 201,
  }),
  listKeys: route({
    method: 'get',
    path: '/v1/keys',
    tag: 'access',
    summary: 'Every key, without its secret.',
    access: admin,
    response: z.object({ items: z.array(keySchema) }),
  }),
  revokeKey: route({
    method: 'delete',
    path: '/v1/keys/{keyId}',
    tag: 'access',
    summary: 'Revoke a key, within ten seconds on every replica.',
    access: admin,
    params: z.object({ keyId: keyIdSchema }),
    response: done,
    problems: ['not_found'],
  }),
} as const satisfies Record<string, Route>;

export const serviceRoutes = {
  livez: route({
    method: 'get',
    path: '/livez',
    tag: 'service',
    summary: 'The process runs.',
    access: open,
    response: z.object({ status: z.literal('ok') }),
  }),
  readyz: route({
    method: 'get',
    path: '/readyz',
    tag: 'service',
    summary: 'Redis and storage answer and the process is not shutting down.',
    access: open,
    response: z.object({ status: z.literal('ok') }),
    problems: ['shutting_down'],
  }),
  metrics: route({
    method: 'get',
    path: '/metrics',
    tag: 'service',
    summary: 'Prometheus metrics of the farm; nothing in them names a studio’s job.',
    access: open,
    response: { mediaType: 'text/plain' },
  }),
  openapi: route({
    method: 'get',
    path: '/openapi.json',
    tag: 'service',
    summary: 'This API as OpenAPI 3.1.',
    access: open,
    response: { mediaType: 'application/json' },
  }),
} as const satisfies Record<string, Route>;
