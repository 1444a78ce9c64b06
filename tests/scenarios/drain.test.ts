import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts, tasksOf } from './support/job-state.ts';
import { agentName, Marks, noteStart, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

const farm = farmForFile({ livenessMs: 5000 });
const taskCount = 120;

/** Every task's one and only start; fails when a task started twice. */
async function onlyStarts(marks: Marks, tasks = taskCount) {
  const starts = await Promise.all(Array.from({ length: tasks }, (_, task) => marks.starts(task)));
  expect(starts.filter((ofTask) => ofTask.length !== 1)).toEqual([]);
  return starts.flat();
}

it('lets an agent that is told to stop finish its task and give back the rest of its span', async () => {
  const marks = await Marks.make(farm());
  const first = await farm().startAgent();
  const job = await farm().submit(
    shellJob(marks, [
      { range: `0-${taskCount - 1}`, script: `${noteStart}sleep 0.02; echo end >> "$1/ends"` },
    ]),
    { policy: { maxRetriesPerTask: 0 } },
  );
  // The first tasks travel alone; by now a span of many is under way.
  await marks.started(30);
  first.child.signal('SIGTERM');
  expect(await first.child.exit()).toBe(0);
  const finished = (await marks.lines('ends')).length;
  const left = await farm().readJob(job.id);
  expect(left.taskCounts).toEqual(counts({ succeeded: finished, waiting: taskCount - finished }));
  expect(finished).toBeLessThan(taskCount);

  const second = await farm().startAgent();
  const ended = await farm().jobIn(job.id, ['succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: taskCount }));
  const starts = await onlyStarts(marks);
  expect(new Set(starts.map(({ agent }) => agent))).toEqual(
    new Set([agentName(first), agentName(second)]),
  );
  const ofFirst = starts.filter(({ agent }) => agent === agentName(first));
  expect(new Set(ofFirst.map(({ leaseId }) => leaseId)).size).toBeLessThan(ofFirst.length);
  const tasks = await tasksOf(farm(), job.id);
  expect(tasks.every(({ failures }) => failures === 0)).toBe(true);
});

it('lets an operator drain a node and take it back', async () => {
  const marks = await Marks.make(farm());
  const { nodeId } = await farm().startAgent();
  const api = farm().api();
  const job = await farm().submit(
    shellJob(marks, [{ range: '0-5', script: noteStart + waitFor('go-$2') }]),
    { policy: { maxRetriesPerTask: 0 } },
  );
  await marks.started(0);
  const drained = await api.call(routes.drainNode, { params: { nodeId } });
  expect(drained.state).toBe('draining');
  for (let task = 0; task < 6; task++) await marks.open(`go-${task}`);
  await eventually('the node is empty', async () => {
    const node = await api.call(routes.getNode, { params: { nodeId } });
    return node.leaseCount === 0;
  });
  const left = await farm().readJob(job.id);
  expect(left).toMatchObject({
    state: 'running',
    taskCounts: counts({ succeeded: 1, waiting: 5 }),
  });

  const undrained = await api.call(routes.undrainNode, { params: { nodeId } });
  expect(undrained.state).toBe('online');
  const ended = await farm().jobIn(job.id, ['succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 6 }));
  await onlyStarts(marks, 6);
});

it('grants nothing to a drained node, whatever waits', async () => {
  const marks = await Marks.make(farm());
  const drained = await farm().startAgent();
  const api = farm().api();
  await api.call(routes.drainNode, { params: { nodeId: drained.nodeId } });
  const job = await farm().submit(shellJob(marks, [{ range: '0-9', script: noteStart }]));
  const other = await farm().startAgent();
  await farm().jobIn(job.id, ['succeeded']);
  const starts = await onlyStarts(marks, 10);
  expect(new Set(starts.map(({ agent }) => agent))).toEqual(new Set([agentName(other)]));
});
