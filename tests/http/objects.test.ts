import { keySegment, objectKeys } from '@karst/orchestrator/objects/keys.ts';
import { createObjectStore } from '@karst/orchestrator/objects/store.ts';
import { systemClock } from '@karst/shared/clock.ts';
import { jobIdSchema, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { describe, expect, it } from 'vitest';
import { credentials, startLocalS3 } from '../local-s3/endpoint.ts';
import { startObjectStorage } from '../support/storage.ts';
import { StorageFaults } from '../support/storage-faults.ts';
import { objectStoreSuite } from './objects.suite.ts';

describe('the object store', () => objectStoreSuite(startObjectStorage));

it.each([2, -2])(
  'storage whose clock is %i hours off gets requests and links by its own time',
  async (hours) => {
    const aheadMs = hours * 3_600_000;
    const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs };
    const { endpoint, stop } = await startLocalS3({ clock });
    const objects = createObjectStore({
      endpoint,
      bucket: 'karst',
      region: 'us-east-1',
      ...credentials,
    });
    await objects.ensureBucket();
    expect(Math.abs(objects.clockOffsetMs() - aheadMs)).toBeLessThan(60_000);
    await objects.putText('a', 'here');
    expect(await (await fetch(await objects.presignGet('a'))).text()).toBe('here');
    objects.close();
    await stop();
  },
);

it('a copy that is answered with 200 and an error has not been made', async () => {
  const storage = await StorageFaults.before(await startObjectStorage());
  const objects = createObjectStore({ ...storage, region: 'us-east-1' });
  try {
    await objects.putText('from', 'all of it');
    const copies = () => storage.faults.seen.filter(({ key }) => key.endsWith('to')).length;
    const failing = (times: number) => {
      storage.faults.rule = ({ key }) =>
        key.endsWith('to') && copies() <= times
          ? { kind: 'refuse', status: 200, code: 'InternalError' }
          : undefined;
    };
    failing(2);
    expect(await objects.copy('from', 'to', 9)).toBe(true);
    expect(copies()).toBeGreaterThan(2);
    expect(await objects.getText('to')).toBe('all of it');
    failing(1000);
    await expect(objects.copy('from', 'to', 9)).rejects.toThrow(/unavailable/);
    storage.faults.rule = () => ({ kind: 'refuse', status: 503, code: 'SlowDown' });
    await expect(objects.head('from')).rejects.toThrow(/unavailable/);
    await expect(objects.putText('from', 'x')).rejects.toThrow(/unavailable/);
  } finally {
    objects.close();
    await storage.stop();
  }
});

describe('names', () => {
  const studio = studioIdSchema.parse('a'.repeat(63));
  const job = jobIdSchema.parse(`job-${'f'.repeat(20)}`);

  it('of steps stay as they are where they can, and never meet where not', () => {
    expect(keySegment('Render left.v2')).toBe('Render left.v2');
    expect(keySegment('Übersicht')).toBe('Übersicht');
    const changed = ['a/b', 'a\\b', 'a?b', '..', '.', ' ', 'x'.repeat(100), 'x'.repeat(101)];
    const segments = changed.map(keySegment);
    expect(new Set(segments).size).toBe(changed.length);
    for (const segment of segments) {
      expect(segment).toMatch(/^[\w]{1,55}-[0-9a-f]{8}$/);
    }
  });

  it('fit into S3 at the longest path of 800 bytes', () => {
    const path = 'p'.repeat(800);
    objectKeys.attempt(studio, job, 99, 99_999_999, 99_999, path);
    objectKeys.view(studio, job, 's'.repeat(64), path);
    expect(() => objectKeys.view(studio, job, 's', 'p'.repeat(1000))).toThrow(/S3 takes 1024/);
  });
});
