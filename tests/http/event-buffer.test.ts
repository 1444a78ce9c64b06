import { EventBuffer } from '@karst/orchestrator/store/event-buffer.ts';
import type { FarmEvent } from '@karst/shared/protocol/event.ts';
import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import { taskStateSchema } from '@karst/shared/protocol/job.ts';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';

const jobId = jobIdSchema.parse(`job-${'a'.repeat(20)}`);
type TasksEvent = Extract<FarmEvent, { type: 'tasks' }>;
const tasks = (state: TasksEvent['state'], first: number, last = first): TasksEvent => ({
  type: 'tasks',
  jobId,
  step: 'Render',
  first,
  last,
  state,
});
const job = (state: 'running' | 'succeeded', succeeded: number): FarmEvent => ({
  type: 'job',
  jobId,
  state,
  taskCounts: { waiting: 0, running: 0, succeeded, failed: 0, canceled: 0 },
});
const buffered = (...events: FarmEvent[]) => {
  const buffer = new EventBuffer();
  for (const event of events) buffer.add(event);
  return buffer.take();
};

it('joins ranges that touch, on either side, although other states come between', () => {
  expect(
    buffered(
      tasks('running', 5, 9),
      tasks('succeeded', 0, 1),
      tasks('running', 10),
      tasks('running', 4),
    ),
  ).toEqual([tasks('running', 4, 10), tasks('succeeded', 0, 1)]);
});

it("keeps only the last of a job's events, after what led to it", () => {
  expect(buffered(job('running', 1), tasks('succeeded', 1), job('succeeded', 2))).toEqual([
    tasks('succeeded', 1),
    job('succeeded', 2),
  ]);
});

it('never moves an event past another about the same task', () => {
  expect(buffered(tasks('running', 4), tasks('waiting', 5), tasks('running', 5))).toEqual([
    tasks('running', 4),
    tasks('waiting', 5),
    tasks('running', 5),
  ]);
});

it('leaves a reader with the same states as without it, whatever happens', () => {
  const event = fc
    .tuple(fc.constantFrom(...taskStateSchema.options), fc.nat(12), fc.nat(3))
    .map(([state, first, more]) => tasks(state, first, first + more));
  const read = (events: FarmEvent[]) => {
    const states = new Map<number, string>();
    for (const one of events) {
      if (one.type !== 'tasks') continue;
      for (let task = one.first; task <= one.last; task++) states.set(task, one.state);
    }
    return [...states].sort(([a], [b]) => a - b);
  };
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      expect(read(buffered(...events))).toEqual(read(events));
    }),
    { numRuns: 2000 },
  );
});
