import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApiKeys } from '@karst/orchestrator/access/api-keys.ts';
import { ensureAdminKey } from '@karst/orchestrator/access/bootstrap.ts';
import { keyCreatedSchema, keySchema } from '@karst/shared/protocol/access.ts';
import { studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { call, problemIn } from './call.ts';
import { ManualClock } from './manual-clock.ts';
import { startFarm, type TestFarm } from './test-farm.ts';

let farm: TestFarm;
let admin: string;
beforeAll(async () => {
  farm = await startFarm();
});
beforeEach(async () => {
  await farm.redis.flushall();
  admin = await farm.keyOf('admin', 'house');
});
afterAll(() => farm.close());

const create = async (body: unknown) =>
  keyCreatedSchema.parse((await call(farm.url, 'POST', '/v1/keys', { key: admin, body })).body);

describe('an API key', () => {
  it('works as soon as it is made, for its studio and role', async () => {
    const made = await create({ studio: 'pixels', role: 'submit', note: 'CI' });
    const { body } = await call(farm.url, 'GET', '/v1/whoami', { key: made.key });
    expect(body).toEqual({ keyId: made.id, studio: 'pixels', role: 'submit' });
  });

  it('is listed without its secret', async () => {
    const made = await create({ studio: 'pixels', role: 'read', note: 'wall' });
    const { body } = await call(farm.url, 'GET', '/v1/keys', { key: admin });
    const { items } = z.object({ items: z.array(keySchema.strict()) }).parse(body);
    expect(items.map((item) => [item.studio, item.role, item.note])).toEqual([
      ['house', 'admin', ''],
      ['pixels', 'read', 'wall'],
    ]);
    expect(JSON.stringify(body)).not.toContain(made.key.slice(-43));
  });

  it('is nowhere in Redis in clear text', async () => {
    const made = await create({ studio: 'pixels', role: 'read' });
    const stored = await farm.redis.hgetall(`karst:key:${made.id}`);
    expect(stored.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.stringify(stored)).not.toContain(made.key.slice(-43));
  });

  it('with a wrong secret is refused', async () => {
    const made = await create({ studio: 'pixels', role: 'read' });
    const last = made.key.endsWith('A') ? 'B' : 'A';
    const answer = await call(farm.url, 'GET', '/v1/whoami', { key: made.key.slice(0, -1) + last });
    expect(answer.status).toBe(401);
  });

  it('is refused at once where it was revoked, and revoking it again answers 404', async () => {
    const made = await create({ studio: 'pixels', role: 'read' });
    await call(farm.url, 'GET', '/v1/whoami', { key: made.key });
    const path = `/v1/keys/${made.id}`;
    expect((await call(farm.url, 'DELETE', path, { key: admin })).status).toBe(200);
    expect((await call(farm.url, 'GET', '/v1/whoami', { key: made.key })).status).toBe(401);
    expect(problemIn(await call(farm.url, 'DELETE', path, { key: admin })).code).toBe('not_found');
  });

  it('is refused within ten seconds on a replica that knew it', async () => {
    const clock = new ManualClock(1_800_000_000_000);
    const here = createApiKeys(farm.redis, clock, systemRandom);
    const there = createApiKeys(farm.redis, clock, systemRandom);
    const owner = { studio: studioIdSchema.parse('pixels'), role: 'read', note: '' } as const;
    const { key, text } = await here.create(owner);
    expect(await there.verify(text)).toEqual(key);
    await here.revoke(key.id);
    clock.advance(10_000);
    expect(await there.verify(text)).toBeUndefined();
  });
});

describe('the first admin key', () => {
  let dir: string;
  let file: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'karst-key-'));
    file = join(dir, 'state', 'admin.key');
    return () => rm(dir, { recursive: true });
  });
  const ensure = () => ensureAdminKey(farm.apiKeys, systemRandom, file);

  it('is made with a file that only its owner can read', async () => {
    const text = await ensure();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await readFile(file, 'utf8')).trim()).toBe(text);
    expect(await readdir(join(dir, 'state'))).toEqual(['admin.key']);
    const { body } = await call(farm.url, 'GET', '/v1/whoami', { key: text });
    expect(body).toMatchObject({ studio: 'default', role: 'admin' });
  });

  it('stays the same and comes back after Redis lost it', async () => {
    const text = await ensure();
    expect(await ensure()).toBe(text);
    await farm.redis.flushall();
    expect(await ensure()).toBe(text);
    expect((await call(farm.url, 'GET', '/v1/whoami', { key: text })).status).toBe(200);
  });

  it('is one key when several replicas start together', async () => {
    const texts = await Promise.all(Array.from({ length: 8 }, ensure));
    expect(new Set(texts).size).toBe(1);
    expect((await farm.apiKeys.list()).filter((key) => key.studio === 'default')).toHaveLength(1);
  });

  it('does not come back once it was revoked', async () => {
    const text = await ensure();
    const key = await farm.apiKeys.verify(text);
    if (key !== undefined) await farm.apiKeys.revoke(key.id);
    await expect(ensure()).rejects.toThrow(/was revoked: remove the file/);
    expect(await farm.apiKeys.verify(text)).toBeUndefined();
  });
});
