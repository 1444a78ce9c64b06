import { grantSchema, type TaskResult } from '@karst/shared/protocol/lease.ts';
import { describe, expect, it } from 'vitest';
import { ReportBuffer } from '../../worker-agent/sync/report-buffer.ts';

const grant = grantSchema.parse({
  leaseId: '6a9a6d05-6f5e-4d7b-9a76-0d3b1b3f7a11',
  jobId: 'job-00000000000000000001',
  step: 0,
  spanId: 3,
  epoch: 2,
  first: 0,
  last: 5000,
});

const success = (task: number): TaskResult => ({
  outcome: 'succeeded',
  first: task,
  last: task,
  startedAtMs: task,
  endedAtMs: task + 1,
});
const failure = (task: number): TaskResult => ({
  outcome: 'failed',
  first: task,
  last: task,
  startedAtMs: task,
  endedAtMs: task + 1,
  kind: 'exit',
  message: 'exited with code 1',
});

describe('a report buffer', () => {
  it('joins consecutive plain successes', () => {
    const buffer = new ReportBuffer(grant);
    for (const result of [success(0), success(1), failure(2), success(3), success(4)]) {
      buffer.add(result);
    }
    buffer.add({ ...success(5), log: { sizeBytes: 1 } });
    const results = buffer.report()?.results;
    expect(results?.map(({ first, last }) => [first, last])).toEqual([
      [0, 1],
      [2, 2],
      [3, 4],
      [5, 5],
    ]);
    expect(results?.[0]).toMatchObject({ startedAtMs: 0, endedAtMs: 2 });
  });

  it('repeats what was sent exactly, whatever came since', () => {
    const buffer = new ReportBuffer(grant);
    buffer.add(success(0));
    const [sent] = buffer.report()?.results ?? [];
    expect(buffer.hasUnsent).toBe(false);
    buffer.add(success(1));
    buffer.add(success(2));
    expect(buffer.hasUnsent).toBe(true);
    expect(buffer.report()?.results.map(({ first, last }) => [first, last])).toEqual([
      [0, 0],
      [1, 2],
    ]);
    expect(sent).toMatchObject({ first: 0, last: 0 });
    buffer.acknowledge(1);
    expect(buffer.report()?.results).toMatchObject([{ first: 1, last: 2 }]);
    buffer.acknowledge(1);
    expect(buffer.report()).toBeUndefined();
    expect(buffer.isEmpty).toBe(true);
  });

  it('says no more than a report may hold at once', () => {
    const buffer = new ReportBuffer(grant);
    for (let task = 0; task < 4500; task++) buffer.add(failure(task));
    const sizes: number[] = [];
    for (let report = buffer.report(); report !== undefined; report = buffer.report()) {
      sizes.push(report.results.length);
      buffer.acknowledge(report.results.length);
    }
    expect(sizes).toEqual([2000, 2000, 500]);
  });

  it('gives tasks back whose results nobody understands', () => {
    const buffer = new ReportBuffer(grant);
    buffer.add(success(0));
    buffer.add(failure(1));
    buffer.giveBack('not understood');
    expect(buffer.report()?.results).toEqual([
      { outcome: 'returned', first: 0, last: 0, message: 'not understood' },
      { outcome: 'returned', first: 1, last: 1, message: 'not understood' },
    ]);
  });
});
