import { WaitEnds } from '@karst/orchestrator/dispatch/wait-ends.ts';
import { systemClock } from '@karst/shared/clock.ts';
import { expect, it } from 'vitest';

it('ends every wait once, short ones not before their time, long ones little before', async () => {
  const ends = new WaitEnds(systemClock);
  const startMs = performance.now();
  const ended: { asked: number; after: number }[] = [];
  const asked = [1, 20, 20, 21, 1010, 1020, 1030, 1300];
  await Promise.all(
    asked.map(
      (ms) =>
        new Promise<void>((resolve) => {
          ends.add(ms, () => {
            ended.push({ asked: ms, after: performance.now() - startMs });
            resolve();
          });
        }),
    ),
  );
  expect(ended.map((end) => end.asked).sort((a, b) => a - b)).toEqual(asked);
  for (const { asked: ms, after } of ended) {
    expect(after).toBeGreaterThan(ms - (ms < 1000 ? 3 : 203));
  }
});

it('does not end a wait that was canceled, and ends one that takes its place', async () => {
  const ends = new WaitEnds(systemClock);
  const told: string[] = [];
  ends.add(30, () => told.push('canceled'))();
  const second = new Promise<void>((resolve) => {
    ends.add(30, () => {
      told.push('second');
      resolve();
    });
  });
  const cancelThird = ends.add(31, () => told.push('third'));
  await second;
  cancelThird();
  cancelThird();
  // Behind the ends of both: had they stood, they would have been told by now.
  await new Promise<void>((resolve) => ends.add(80, resolve));
  expect(told).not.toContain('canceled');
  expect(told[0]).toBe('second');
});
