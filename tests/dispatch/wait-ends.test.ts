import { WaitEnds } from '@karst/orchestrator/dispatch/wait-ends.ts';
import { systemClock } from '@karst/shared/clock.ts';
import { expect, it } from 'vitest';

it('ends every wait once, short ones not before their time, long ones little before', async () => {
  const ends = new WaitEnds(systemClock);
  const startMs = performance.now();
  const ended: { asked: number; after: number }[] = [];
  const asked = [1, 20, 20, 21, 1010, 1020, 1030, 1100];
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
  for (const end of ended) expect(end.after).toBeGreaterThan(end.asked - 53);
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

it('ends the waits of thousands in fewer groups, some of them up to 200 ms sooner', async () => {
  const groupsOf = async (count: number) => {
    const ends = new WaitEnds(systemClock);
    const cancels = Array.from({ length: count }, () => ends.add(3_600_000, () => undefined));
    const startMs = performance.now();
    // One to each millisecond; those of a group are told in one turn of the event loop.
    let [groups, told] = [0, false];
    await Promise.all(
      Array.from(
        { length: 400 },
        (_, i) =>
          new Promise<void>((resolve) => {
            ends.add(1000 + i, () => {
              expect(performance.now() - startMs).toBeGreaterThan(1000 + i - 203);
              if (!told) {
                told = true;
                groups += 1;
                setImmediate(() => {
                  told = false;
                });
              }
              resolve();
            });
          }),
      ),
    );
    for (const cancel of cancels) cancel();
    return groups;
  };
  expect(await groupsOf(0)).toBeGreaterThanOrEqual(8);
  expect(await groupsOf(5000)).toBeLessThanOrEqual(3);
});
