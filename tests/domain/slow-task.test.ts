import { isSlow } from '@karst/orchestrator/domain/slow-task.ts';
import { TaskTimes } from '@karst/orchestrator/scheduler/task-times.ts';
import { describe, expect, it } from 'vitest';

const limits = { slowMs: 60_000, spanTargetMs: 30_000 };
const timesOf = (ms: number, count = 5) => TaskTimes.of(Array.from({ length: count }, () => ms));
const running = { times: timesOf(100_000), tasksAtOnce: 1 };
/** Run times are counted in buckets: this is what 100 s are read as, at most 9 % off. */
const ABOUT_100_S = running.times.quantileMs(0.5);

describe('a task is slow', () => {
  it('when it runs more than three times as long as its siblings did', () => {
    expect(Math.abs(ABOUT_100_S / 100_000 - 1)).toBeLessThan(0.09);
    expect(isSlow({ ...running, elapsedMs: 3 * ABOUT_100_S }, limits)).toBe(false);
    expect(isSlow({ ...running, elapsedMs: 3 * ABOUT_100_S + 1 }, limits)).toBe(true);
  });

  it('also where one of them had hung for an hour', () => {
    const times = TaskTimes.of([...Array.from({ length: 9 }, () => 100_000), 3_600_000]);
    expect(times.meanMs).toBeGreaterThan(400_000);
    expect(isSlow({ ...running, times, elapsedMs: 3 * ABOUT_100_S + 1 }, limits)).toBe(true);
  });

  it('where many take long anyway, only when it takes half as long again as nine in ten', () => {
    const times = TaskTimes.of([...Array.from({ length: 8 }, () => 100_000), 1e6, 1e6]);
    const longMs = times.quantileMs(0.9);
    expect(longMs).toBeGreaterThan(900_000);
    expect(isSlow({ ...running, times, elapsedMs: 1.5 * longMs }, limits)).toBe(false);
    expect(isSlow({ ...running, times, elapsedMs: 1.5 * longMs + 1 }, limits)).toBe(true);
  });

  it('not before five of them have finished', () => {
    expect(isSlow({ ...running, times: timesOf(100_000, 4), elapsedMs: 1e9 }, limits)).toBe(false);
    expect(isSlow({ ...running, times: TaskTimes.of([]), elapsedMs: 1e9 }, limits)).toBe(false);
  });

  it('not within a minute, and not for others of its span that ran before it', () => {
    const quick = { ...running, times: timesOf(10) };
    expect(isSlow({ ...quick, elapsedMs: 90_000 }, limits)).toBe(false);
    expect(isSlow({ ...quick, elapsedMs: 90_001 }, limits)).toBe(true);
  });

  it('when its chunk takes longer than as many tasks may', () => {
    expect(isSlow({ ...running, tasksAtOnce: 10, elapsedMs: 2_900_000 }, limits)).toBe(false);
    expect(isSlow({ ...running, tasksAtOnce: 10, elapsedMs: 3_100_000 }, limits)).toBe(true);
  });
});
