import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { Child } from '../support/child.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { startObjectStorage, type TestStorage } from '../support/storage.ts';
import { type FaultRule, StorageFaults } from '../support/storage-faults.ts';

const main = join(fileURLToPath(new URL('../..', import.meta.url)), 'orchestrator/main.ts');

let redis: TestRedis;
let storage: TestStorage & { faults: StorageFaults };
beforeAll(async () => {
  redis = await startRedis();
  storage = await StorageFaults.before(await startObjectStorage());
});
afterAll(() => Promise.all([redis.stop(), storage.stop()]));
beforeEach(() => storage.faults.heal());

const refuse =
  (code: string, status: number, methods = ['HEAD', 'GET', 'PUT']): FaultRule =>
  ({ method }) =>
    methods.includes(method) ? { kind: 'refuse', status, code } : undefined;

const cases: [string, Record<string, string>, FaultRule | undefined, RegExp][] = [
  ['a wrong secret', { KARST_S3_SECRET_KEY: 'guess' }, undefined, /the secret key is wrong/],
  [
    'an unknown access key',
    { KARST_S3_ACCESS_KEY: 'x' },
    undefined,
    /does not know the access key/,
  ],
  ['a key without rights', {}, refuse('AccessDenied', 403), /may not use the bucket "karst"/],
  [
    'a missing bucket that it may not make',
    { KARST_S3_BUCKET: 'absent' },
    refuse('AccessDenied', 403, ['PUT']),
    /the bucket "absent" does not exist, and the access key may not make it/,
  ],
  [
    'nobody at the endpoint',
    { KARST_S3_ENDPOINT: 'http://127.0.0.1:9' },
    undefined,
    /ECONNREFUSED/,
  ],
  ['a store that fails', {}, refuse('SlowDown', 503), /it answers 503/],
  ['another region', {}, refuse('PermanentRedirect', 301), /PermanentRedirect|another region/],
];

it.each(cases)('karst serve says so in one line: %s', async (_, env, rule, message) => {
  storage.faults.rule = rule ?? (() => undefined);
  const child = new Child('orchestrator', process.execPath, [main], {
    PATH: process.env.PATH,
    KARST_PORT: '0',
    KARST_LOG_LEVEL: 'error',
    REDIS_URL: redis.url,
    KARST_S3_ENDPOINT: storage.endpoint,
    KARST_S3_BUCKET: storage.bucket,
    KARST_S3_ACCESS_KEY: storage.accessKeyId,
    KARST_S3_SECRET_KEY: storage.secretAccessKey,
    ...env,
  });
  expect(await child.exit()).toBe(1);
  const lines = child.stderr.trim().split('\n');
  expect(lines).toEqual([expect.stringMatching(message)]);
  expect(lines[0]).toMatch(/^karst serve: storage at http:\/\/127\.0\.0\.1:\d+: /);
});
