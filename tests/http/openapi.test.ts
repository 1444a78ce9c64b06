import { openApiJson, problemsOf } from '@karst/orchestrator/http/openapi.ts';
import { problemCatalogue } from '@karst/shared/protocol/problem.ts';
import type { Route } from '@karst/shared/protocol/route.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { call } from './call.ts';
import { startFarm, type TestFarm } from './test-farm.ts';

const operationSchema = z.object({
  operationId: z.string(),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  responses: z.record(z.string(), z.unknown()),
});
const documentSchema = z.object({
  openapi: z.literal('3.1.0'),
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
});
const document = documentSchema.parse(JSON.parse(openApiJson()));

/** The contract as it was last agreed: `npx vitest run tests/http/openapi -u` writes a new one. */
it('is the golden document', async () => {
  await expect(openApiJson()).toMatchFileSnapshot('openapi.golden.json');
});

it('refers only to schemas it has', () => {
  const text = openApiJson();
  const names = [...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name);
  const { components } = z
    .object({ components: z.object({ schemas: z.record(z.string(), z.unknown()) }) })
    .parse(JSON.parse(text));
  expect(names.length).toBeGreaterThan(50);
  expect(names.filter((name) => !Object.hasOwn(components.schemas, name ?? ''))).toEqual([]);
});

describe.each(Object.entries<Route>(routes))('%s', (operationId, route) => {
  const operation = document.paths[route.path]?.[route.method];

  it('is in the document with its answer and every problem it may answer', () => {
    expect(operation?.operationId).toBe(operationId);
    const statuses = problemsOf(route).map((code) => `${problemCatalogue[code].status}`);
    expect(Object.keys(operation?.responses ?? {}).sort()).toEqual(
      [...new Set([`${route.status}`, ...statuses])].sort(),
    );
  });

  it('demands credentials unless it is public', () => {
    expect(operation?.security).toHaveLength(route.access.kind === 'public' ? 0 : 1);
  });
});

describe('served', () => {
  let farm: TestFarm;
  beforeAll(async () => {
    farm = await startFarm();
  });
  afterAll(() => farm.close());

  it('is the same document', async () => {
    const { body } = await call(farm.url, 'GET', '/openapi.json');
    expect(body).toEqual(JSON.parse(openApiJson()));
  });

  it('comes with a page whose every part is served here', async () => {
    const page = await call(farm.url, 'GET', '/docs');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    const parts = [...String(page.body).matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url);
    expect(parts).toHaveLength(4);
    for (const part of parts) {
      expect(part).toMatch(/^\/docs\//);
      expect((await call(farm.url, 'GET', part ?? '')).status).toBe(200);
    }
    expect((await call(farm.url, 'GET', '/docs/package.json')).status).toBe(404);
  });
});
