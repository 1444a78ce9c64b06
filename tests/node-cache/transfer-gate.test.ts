import { TransferGate } from '@karst/agent/inputs/transfer-gate.ts';
import { expect, it } from 'vitest';

const never = new AbortController().signal;
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** Enters `count` times; tells how many were let in, and what to call to leave. */
function crowd(gate: TransferGate, count: number, isUrgent: () => boolean, signal = never) {
  const leaves: (() => void)[] = [];
  for (let i = 0; i < count; i++) {
    gate.enter(isUrgent, signal).then(
      (leave) => leaves.push(leave),
      () => undefined,
    );
  }
  return leaves;
}

it('lets a bounded number through, fewer of what nobody waits for', async () => {
  const gate = new TransferGate();
  const ahead = crowd(gate, 10, () => false);
  await settle();
  expect(ahead).toHaveLength(4);
  const needed = crowd(gate, 20, () => true);
  await settle();
  expect(needed).toHaveLength(12);
  for (const leave of ahead.splice(0)) leave();
  await settle();
  // Their places are for what is needed.
  expect({ ahead: ahead.length, needed: needed.length }).toEqual({ ahead: 0, needed: 16 });
  for (const leave of needed.splice(0)) leave();
  await settle();
  expect({ ahead: ahead.length, needed: needed.length }).toEqual({ ahead: 0, needed: 4 });
  for (const leave of needed.splice(0)) leave();
  await settle();
  expect(ahead).toHaveLength(4);
});

it('lets through at once what has become urgent, and forgets who has gone', async () => {
  const gate = new TransferGate();
  const needed = crowd(gate, 1, () => true);
  let isUrgent = false;
  const ahead = crowd(gate, 1, () => isUrgent);
  const going = new AbortController();
  crowd(gate, 30, () => true, going.signal);
  going.abort();
  await settle();
  expect(ahead).toHaveLength(0);
  isUrgent = true;
  for (const leave of needed.splice(0)) leave();
  await settle();
  expect(ahead).toHaveLength(1);
});
