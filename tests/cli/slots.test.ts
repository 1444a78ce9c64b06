import { Slots } from '@karst/cli/slots.ts';
import { expect, it } from 'vitest';

it('lets so many run at once, the others in their order, and goes on after failures', async () => {
  const slots = new Slots(2);
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const started: number[] = [];
  const runs = gates.map(({ promise }, i) =>
    slots.run(async () => {
      started.push(i);
      await promise;
      if (i === 1) throw new Error('broke');
      return i;
    }),
  );
  const ends = Promise.allSettled(runs);
  expect(started).toEqual([0, 1]);
  gates[1]?.reject(new Error('broke'));
  await runs[1]?.catch(() => undefined);
  expect(started).toEqual([0, 1, 2]);
  for (const gate of gates) gate.resolve();
  const results = (await ends).map(({ status }) => status);
  expect(results).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled']);
  expect(started).toEqual([0, 1, 2, 3, 4]);
});
