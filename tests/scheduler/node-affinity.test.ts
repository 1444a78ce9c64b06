import { NodeAffinity } from '@karst/orchestrator/scheduler/node-affinity.ts';
import { Ranking, type WaitingStep } from '@karst/orchestrator/scheduler/ranking.ts';
import { Shares } from '@karst/orchestrator/scheduler/shares.ts';
import { nodeIdSchema } from '@karst/shared/protocol/ids.ts';
import { expect, it } from 'vitest';
import { stepOf } from './steps.ts';

const nodeId = nodeIdSchema.parse('node-00000000000000000001');
const feasible = () => true;

/** A node that asks again and again, among steps that never end. */
function asking(steps: readonly WaitingStep[], warm: WaitingStep[]) {
  const ranking = new Ranking<WaitingStep>(new Shares(1000, 0));
  for (const step of steps) ranking.add(step);
  const affinity = new NodeAffinity<WaitingStep>((id) => steps.filter(({ jobId }) => jobId === id));
  const jobs = warm.map(({ jobId }) => jobId);
  return () => {
    const step = ranking.best({ feasible, prefer: affinity.preferred(nodeId, jobs) });
    if (step !== undefined) affinity.granted(nodeId, jobs, step);
    return step;
  };
}

it('gives a node a job whose inputs it has before an older one that is as good', () => {
  const [older, warm] = [stepOf(1), stepOf(2)];
  expect(asking([older, warm], [])()).toBe(older);
  expect(asking([older, warm], [warm])()).toBe(warm);
});

it('never before one of a higher class or priority, of another project or another studio', () => {
  const warm = stepOf(9);
  for (const better of [
    { priorityClass: 'urgent' as const },
    { priority: 60 },
    { project: 'a film' },
    { studio: 'a studio' },
  ]) {
    const first = stepOf(1, better);
    expect(asking([first, warm], [warm])()).toBe(first);
  }
});

it('prefers what it was granted last, then what it used last', () => {
  const [older, warm, warmer] = [stepOf(1), stepOf(2), stepOf(3)];
  const ask = asking([older, warm, warmer], [warmer, warm]);
  expect([ask(), ask()]).toEqual([warmer, warmer]);
});

it('serves who is older in between, however warm others are', () => {
  const [older, warm, alsoWarm] = [stepOf(1), stepOf(2), stepOf(3)];
  const ask = asking([older, warm, alsoWarm], [alsoWarm, warm]);
  const granted = Array.from({ length: 100 }, () => ask());
  const count = (step: WaitingStep) => granted.filter((one) => one === step).length;
  expect(count(older)).toBeGreaterThanOrEqual(5);
  expect(count(alsoWarm)).toBeGreaterThanOrEqual(16);
});
