import { keySegment, objectKeys } from '@karst/orchestrator/objects/keys.ts';
import { jobIdSchema, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { describe, expect, it } from 'vitest';
import { startObjectStorage } from '../support/storage.ts';
import { objectStoreSuite } from './objects.suite.ts';

describe('the object store', () => objectStoreSuite(startObjectStorage));

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
