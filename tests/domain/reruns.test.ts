import { type LeasedTasks, spansToRerun } from '@karst/orchestrator/domain/reruns.ts';
import { describe, expect, it } from 'vitest';

const leases = (count: number): LeasedTasks[] =>
  Array.from({ length: count }, (_, i) => ({ spanId: i + 1, grantedAtMs: 1000 - i }));
const all = () => true;
const idsOf = (chosen: readonly LeasedTasks[]) => chosen.map(({ spanId }) => spanId);

describe('reruns of a step', () => {
  it('are of flagged tasks only, those first that run longest', () => {
    expect(idsOf(spansToRerun(leases(20), 0, all))).toEqual([20, 19]);
    expect(idsOf(spansToRerun(leases(20), 0, ({ spanId }) => spanId < 3))).toEqual([2, 1]);
    expect(spansToRerun(leases(20), 0, () => false)).toEqual([]);
  });

  it('are a tenth of what runs at once, and one at least, those that wait included', () => {
    expect(spansToRerun(leases(1), 0, all)).toHaveLength(1);
    expect(spansToRerun(leases(19), 0, all)).toHaveLength(1);
    expect(spansToRerun(leases(30), 0, all)).toHaveLength(3);
    expect(spansToRerun(leases(30), 2, all)).toHaveLength(1);
    expect(spansToRerun(leases(9), 1, all)).toEqual([]);
  });

  it('count while they run, and are not what others are measured by', () => {
    const [first, ...others] = leases(10);
    const pair = [
      { spanId: 1, grantedAtMs: 1000, ...first, partner: 11 },
      { spanId: 11, grantedAtMs: 2000, partner: 1 },
    ];
    expect(spansToRerun([...others, ...pair], 0, all)).toEqual([]);
    const twenty = leases(19).map(({ spanId, grantedAtMs }) => ({
      spanId: spanId + 20,
      grantedAtMs,
    }));
    expect(idsOf(spansToRerun([...twenty, ...pair], 0, all))).toEqual([39]);
  });

  it('come once to a lease, also when they are over', () => {
    expect(spansToRerun([{ spanId: 1, grantedAtMs: 0, partner: 0 }], 0, all)).toEqual([]);
  });
});
