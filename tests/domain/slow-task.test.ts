import { isSlow } from '@karst/orchestrator/domain/slow-task.ts';
import { describe, expect, it } from 'vitest';

const limits = { slowMs: 60_000, spanTargetMs: 30_000 };
const running = { finished: 5, meanMs: 100_000, tasksAtOnce: 1 };

describe('a task is slow', () => {
  it('when it runs more than three times as long as its siblings did', () => {
    expect(isSlow({ ...running, elapsedMs: 300_000 }, limits)).toBe(false);
    expect(isSlow({ ...running, elapsedMs: 300_001 }, limits)).toBe(true);
  });

  it('not before five of them have finished', () => {
    expect(isSlow({ ...running, finished: 4, elapsedMs: 1e9 }, limits)).toBe(false);
    expect(isSlow({ ...running, meanMs: undefined, elapsedMs: 1e9 }, limits)).toBe(false);
  });

  it('not within a minute, and not for others of its span that ran before it', () => {
    const quick = { ...running, meanMs: 10 };
    expect(isSlow({ ...quick, elapsedMs: 90_000 }, limits)).toBe(false);
    expect(isSlow({ ...quick, elapsedMs: 90_001 }, limits)).toBe(true);
  });

  it('when its chunk takes longer than as many tasks may', () => {
    expect(isSlow({ ...running, tasksAtOnce: 10, elapsedMs: 2_900_000 }, limits)).toBe(false);
    expect(isSlow({ ...running, tasksAtOnce: 10, elapsedMs: 3_100_000 }, limits)).toBe(true);
  });
});
