import { sleep } from '@karst/shared/clock.ts';
import { expect, it } from 'vitest';

it('sleeps longer than a timer of Node holds, until it is waked', async () => {
  const over = new AbortController();
  const month = sleep(30 * 24 * 3_600_000, over.signal).then(
    () => 'slept',
    (reason: unknown) => reason,
  );
  // A timer given too much rings after a millisecond: that it does not is seen by the clock alone.
  expect(await Promise.race([month, sleep(50).then(() => 'still asleep')])).toBe('still asleep');
  over.abort('waked');
  expect(await month).toBe('waked');
});
