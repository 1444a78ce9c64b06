import { describe, expect, it } from 'vitest';
import { audit } from './support/auditor.ts';
import { cpuNodes, farmOf, traceOf } from './support/world.ts';

const hourMs = 3_600_000;

describe('what fails', () => {
  it('a node that leaves loses its running tasks, which run again elsewhere', () => {
    const farm = farmOf({
      nodes: [
        cpuNodes(1, { name: 'goes', slots: 2, leavesAtHours: 1.5 }),
        cpuNodes(1, { name: 'comes', slots: 2, joinsAtHours: 3 }),
      ],
    });
    const { began, lost, ends, waits } = audit(
      farm,
      traceOf([{ steps: [{ tasks: 4, seconds: 3600 }] }]),
    );
    expect(began.map(({ lease, atMs }) => [lease.node.group.name, atMs / hourMs])).toEqual([
      ['goes', 0],
      ['goes', 0],
      ['goes', 1],
      ['goes', 1],
      ['comes', 3],
      ['comes', 3],
    ]);
    expect(lost.length).toBe(2);
    expect([...ends.values()]).toEqual(['succeeded', 'succeeded', 'succeeded', 'succeeded']);
    // The wait is for the first start, lost or not.
    expect([...waits.values()].map((ms) => ms / hourMs)).toEqual([0, 0, 1, 1]);
  });

  it('keeps what a lost span had done, and gives the rest back', () => {
    const farm = farmOf({
      spans: { targetSeconds: 600, tasksMax: 100 },
      nodes: [
        cpuNodes(1, { name: 'goes', slots: 1, leavesAtHours: 0.0875 }),
        cpuNodes(1, { name: 'comes', slots: 1, joinsAtHours: 1 }),
      ],
    });
    const { began, lost, ends, waits } = audit(
      farm,
      traceOf([{ steps: [{ tasks: 40, seconds: 10 }] }]),
    );
    // 315 s: one task alone, then spans of 13, 9 and so on; the last one is cut.
    expect(began.some(({ lease }) => lease.span.count > 5)).toBe(true);
    expect(lost.length).toBe(1);
    expect(ends.size).toBe(40);
    const early = [...waits.values()].filter((ms) => ms < hourMs);
    expect(early.length).toBe(32);
  });

  it('a task’s own fault is retried after a growing delay, and gives up in the end', () => {
    const farm = farmOf({
      tasks: { failurePercent: 100, maxRetriesPerTask: 3 },
      nodes: [cpuNodes(1)],
    });
    const steps = [{ seconds: 100 }, { tasks: 3, dependsOn: [0] }, { tasks: 2, dependsOn: [1] }];
    const audited = audit(farm, traceOf([{ steps }]));
    const [first, second, third, fourth] = audited.began.map(({ atMs }) => atMs);
    expect(audited.began.length).toBe(4);
    expect(audited.retried.length).toBe(3);
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThan(1000);
    expect((third ?? 0) - (second ?? 0)).toBeGreaterThan(2000);
    expect((fourth ?? 0) - (third ?? 0)).toBeGreaterThan(4000);
    const ends = [...audited.ends.values()];
    expect(ends.filter((end) => end === 'failed').length).toBe(1);
    expect(ends.filter((end) => end === 'canceled').length).toBe(5);
    expect(audited.jobEnds.length).toBe(1);
  });

  it('nodes come back after repair', () => {
    const farm = farmOf({ nodes: [cpuNodes(1, { mttfHours: 10, repairMinutes: 600 })] });
    const audited = audit(farm, traceOf([{ steps: [{ tasks: 200, seconds: 3600 }] }]));
    expect(audited.lost.length).toBeGreaterThan(0);
    expect(audited.ends.size).toBe(200);
  });
});
