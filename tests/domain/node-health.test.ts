import {
  EVIDENCE_MAX,
  type HealthLimits,
  jobsToAskFor,
  judgeNode,
  type NewEvidence,
  type NodeHealth,
  standing,
  withFailures,
  withSuccesses,
} from '@karst/orchestrator/domain/node-health.ts';
import { newJobId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { describe, expect, it } from 'vitest';

const limits: HealthLimits = {
  jobs: 3,
  nodeFaults: 5,
  failures: 6,
  windowMs: 30 * 60_000,
  coolMs: 10 * 60_000,
  coolMsMax: 4 * 3_600_000,
};
const NOW_MS = 1_000_000_000;
const jobs = Array.from({ length: 6 }, () => newJobId(systemRandom));
const all = new Map(jobs.map((id) => [id as string, 100]));
const elsewhere = (jobId: string) => all.get(jobId) ?? 0;

let epoch = 0;
function failure(job: number, more: Partial<NewEvidence> = {}): NewEvidence {
  epoch += 1;
  const jobId = jobs[job] ?? newJobId(systemRandom);
  const facts = { step: 'Render', task: 0, kind: 'exit', ofNode: false, jobSucceeded: 0 } as const;
  return { jobId, atMs: NOW_MS, epoch, ...facts, ...more };
}

const lost = (): Partial<NewEvidence> => ({ kind: 'lost', ofNode: true });

function failed(failures: readonly NewEvidence[], before?: NodeHealth): NodeHealth {
  return withFailures(before, failures, limits, NOW_MS);
}

const judged = (health: NodeHealth, of = elsewhere, nowMs = NOW_MS) =>
  standing(judgeNode(health, of, limits, nowMs), nowMs);

describe('a node is quarantined', () => {
  it('for tasks of three jobs that others can do', () => {
    expect(judged(failed([failure(0), failure(1)]))).toBe('sound');
    expect(judged(failed([failure(0), failure(1), failure(2)]))).toBe('quarantined');
  });

  it('for five faults of its own', () => {
    const faults = Array.from({ length: 5 }, () => failure(0, lost()));
    expect(judged(failed(faults.slice(0, 4)))).toBe('sound');
    expect(judged(failed(faults))).toBe('quarantined');
  });

  it('for more failures than successes, of several jobs', () => {
    let health: NodeHealth | undefined;
    for (const job of [0, 1, 0, 1, 0, 1]) {
      health = withSuccesses(failed([failure(job)], health), 1, limits, NOW_MS);
    }
    expect(health?.evidence).toHaveLength(6);
    expect(judged(health as NodeHealth)).toBe('sound');
    // Its last success was before the first of these: seven failures, and five successes between them.
    health = failed([failure(0), failure(1)], health);
    expect(judged(health)).toBe('quarantined');
  });
});

describe('a node is not quarantined', () => {
  it('for jobs that fail everywhere', () => {
    const health = failed([failure(0), failure(1), failure(2), failure(3)]);
    expect(judged(health, () => 0)).toBe('sound');
  });

  it('for jobs whose only successes are its own', () => {
    const health = withSuccesses(failed([failure(0), failure(1)]), 7, limits, NOW_MS);
    const next = failed([failure(2), failure(3)], health);
    expect(judged(next, (id) => (id === jobs[0] || id === jobs[1] ? 7 : 0))).toBe('sound');
  });

  it('for what lies longer back than the window, or before a success', () => {
    const health = failed([failure(0), failure(1), failure(2)]);
    expect(judged(health, elsewhere, NOW_MS + limits.windowMs + 1)).toBe('sound');
    const sound = withSuccesses(health, 1, limits, NOW_MS);
    expect(judged(failed([failure(3)], sound))).toBe('sound');
  });

  it('for one lease, however much of it fails or is told again', () => {
    const one = failure(0, { ofNode: true, kind: 'disk_full' });
    expect(failed([one, one, one, one, one]).evidence).toHaveLength(1);
  });

  it('where an operator wants none', () => {
    const off = { ...limits, jobs: 0 };
    const health = failed([failure(0), failure(1), failure(2)]);
    expect(judgeNode(health, elsewhere, off, NOW_MS)).toBe(health);
    expect(jobsToAskFor(health, off)).toEqual([]);
  });
});

describe('a quarantined node', () => {
  const health = judgeNode(failed([failure(0), failure(1), failure(2)]), elsewhere, limits, NOW_MS);
  const laterMs = NOW_MS + limits.coolMs;

  it('is on probation after ten minutes, and sound after one success', () => {
    expect(standing(health, laterMs - 1)).toBe('quarantined');
    expect(standing(health, laterMs)).toBe('probation');
    expect(withSuccesses(health, 1, limits, laterMs)).toBeUndefined();
  });

  it('stays away twice as long after each failure on probation, at most four hours', () => {
    let known = health;
    let nowMs = laterMs;
    const minutes: number[] = [];
    for (let n = 0; n < 6; n++) {
      known = withFailures(known, [failure(0, { jobSucceeded: 5 })], limits, nowMs);
      const untilMs = known.quarantine?.untilMs ?? 0;
      minutes.push((untilMs - nowMs) / 60_000);
      nowMs = untilMs;
    }
    expect(minutes).toEqual([20, 40, 80, 160, 240, 240]);
  });

  it('is not blamed on probation for a job that nobody has done yet', () => {
    const next = withFailures(health, [failure(4)], limits, laterMs);
    expect(standing(next, laterMs)).toBe('probation');
  });

  it('a success that was under way does not clear it before', () => {
    expect(standing(withSuccesses(health, 1, limits, NOW_MS), NOW_MS)).toBe('quarantined');
  });
});

it('keeps the last failures, and some of every job', () => {
  const many = [failure(0), ...Array.from({ length: 50 }, (_, n) => failure(1 + (n % 5)))];
  const { evidence } = failed(many);
  expect(evidence).toHaveLength(EVIDENCE_MAX);
  expect(
    failed([failure(0), ...Array.from({ length: 50 }, () => failure(1))]).evidence,
  ).toHaveLength(6);
});
