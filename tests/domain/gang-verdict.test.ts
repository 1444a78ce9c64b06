import { faultOf } from '@karst/orchestrator/gangs/verdict.ts';
import { newJobId, newLeaseId, newNodeId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { expect, it } from 'vitest';

const other = {
  nodeId: newNodeId(systemRandom),
  leaseId: newLeaseId(systemRandom),
  grantedAtMs: 1000,
};
const verdict = { atMs: 5000, others: [other] };
const alive = { takesWork: true, syncedAtMs: 5001, bootedAtMs: 10, preempts: [] };
type Look = Parameters<typeof faultOf>[1];
const faultAt = (look: ReturnType<Look>, nowMs = 5100) => faultOf(verdict, () => look, nowMs, 3000);
const preempt = {
  id: systemRandom.uuid(),
  jobId: newJobId(systemRandom),
  step: 0,
  studio: 'pixels',
  priorityClass: 'urgent',
  reason: 'class',
  backByMs: 9000,
  keptUntilMs: 9000,
} as const;

it('is the own fault of a task whose fellows are all well', () => {
  expect(faultAt(alive)).toBe('own');
  expect(faultOf({ ...verdict, others: [] }, () => undefined, 5100, 3000)).toBe('own');
});

it('is not known before every other node has called, or had the time to', () => {
  const silent = { ...alive, syncedAtMs: 4999 };
  expect(faultAt(silent)).toBe('open');
  expect(faultAt(silent, 7999)).toBe('open');
  expect(faultAt(silent, 8000)).toBe('own');
});

it('is that of others that were lost, held back, restarted or preempted', () => {
  expect(faultAt(undefined)).toBe('others');
  expect(faultAt({ ...alive, takesWork: false })).toBe('others');
  expect(faultAt({ ...alive, bootedAtMs: 1001 })).toBe('others');
  const victim = {
    leaseId: other.leaseId,
    studio: 'pixels',
    priorityClass: 'background',
    grantedAtMs: 1000,
    graceSeconds: 30,
  } as const;
  const marked = { ...preempt, victims: [victim] };
  expect(faultAt({ ...alive, preempts: [marked] })).toBe('others');
  const unmarked = { ...marked, victims: [{ ...victim, leaseId: newLeaseId(systemRandom) }] };
  expect(faultAt({ ...alive, preempts: [unmarked] })).toBe('own');
});
