import { judgeFailure } from '@karst/orchestrator/domain/failure-class.ts';
import { retryDelayMs } from '@karst/orchestrator/domain/retry-delay.ts';
import { type FailureRule, signsOf } from '@karst/shared/protocol/failure-rules.ts';
import { describe, expect, it } from 'vitest';

const rule = (more: Partial<FailureRule>): FailureRule => ({
  name: 'licence',
  exitCodes: [1],
  as: 'farm',
  ...more,
});
const failed = { kind: 'exit', rule: 'licence', step: 'Render' } as const;

describe('what a rule makes of a failure', () => {
  it.each([
    ['task', { fault: 'task', fatal: false, patient: false, avoidsNode: true }],
    ['node', { fault: 'node', fatal: false, patient: false, avoidsNode: true }],
    ['farm', { fault: 'farm', fatal: false, patient: true, avoidsNode: false }],
    ['fatal', { fault: 'task', fatal: true, patient: false, avoidsNode: true }],
  ] as const)('%s', (as, verdict) => {
    expect(judgeFailure(failed, [rule({ as })])).toMatchObject({ ...verdict, rule: 'licence' });
  });

  it('may fix the delay and whether the node is avoided', () => {
    expect(judgeFailure(failed, [rule({ delaySeconds: 30, avoidNode: true })])).toMatchObject({
      delayMs: 30_000,
      avoidsNode: true,
    });
  });

  it('is nothing where the node knows better, the rule is another step’s, or there is none', () => {
    const plain = { fault: 'task', fatal: false, patient: false, avoidsNode: true };
    expect(judgeFailure(failed, [rule({ steps: ['Comp'] })])).toEqual(plain);
    expect(judgeFailure({ ...failed, rule: 'made up' }, [rule({})])).toEqual(plain);
    expect(judgeFailure({ ...failed, rule: undefined }, [rule({})])).toEqual(plain);
    expect(judgeFailure({ ...failed, kind: 'disk_full' }, [rule({ as: 'fatal' })])).toEqual({
      ...plain,
      fault: 'node',
    });
  });
});

it('agents get the rules of their step, and not what follows from them', () => {
  const rules = [rule({}), rule({ name: 'comp', steps: ['Comp'], log: 'x' })];
  expect(signsOf(rules, 'Render')).toEqual([{ name: 'licence', exitCodes: [1] }]);
});

it('the farm’s faults are waited for longer', () => {
  expect([1, 2, 7, 20].map((n) => retryDelayMs(n, 'farm'))).toEqual([2000, 4000, 120_000, 120_000]);
});
