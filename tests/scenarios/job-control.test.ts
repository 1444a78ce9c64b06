import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { countedTasks, counts, published, taskIn, taskOf } from './support/job-state.ts';
import { Marks, noteStart, waitFor } from './support/marks.ts';
import { isAlive } from './support/processes.ts';
import { shellJob } from './support/shell-job.ts';
import { StudioView } from './support/studio-view.ts';

const farm = farmForFile({ livenessMs: 5000 });

it('runs failed tasks, and what was canceled because of them, again when asked to', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const failOdd = 'case "$2" in *[13579]) [ -e "$1/fixed" ];; esac';
  const steps = ['Render', 'Comp'];
  const job = await farm().submit(
    shellJob(marks, [
      { range: '0-5', script: noteStart + failOdd },
      { name: 'Comp', dependsOn: ['Render'], range: '0-1', script: 'true' },
    ]),
    { policy: { maxRetriesPerTask: 0 } },
  );
  const failed = await farm().jobIn(job.id, ['failed']);
  expect(failed.taskCounts).toEqual(counts({ succeeded: 3, failed: 3, canceled: 2 }));
  await marks.open('fixed');

  const params = { jobId: job.id };
  const early = await farm().fetch('POST', `/v1/jobs/${job.id}/retry`, { step: 'Comp' });
  expect({ status: early.status, job: (await farm().readJob(job.id)).state }).toEqual({
    status: 409,
    job: 'failed',
  });
  const { retried } = await farm().api().call(routes.retryJob, { params, body: {} });
  expect(retried).toBe(3);
  const ended = await farm().jobIn(job.id, ['succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 8 }));
  expect(await countedTasks(farm(), job.id, steps)).toEqual(ended.taskCounts);
  const starts = await Promise.all([0, 1, 2, 3, 4, 5].map((task) => marks.starts(task)));
  expect(starts.map(({ length }) => length)).toEqual([1, 2, 1, 2, 1, 2]);
});

it('runs a task that has succeeded again, and replaces what it published', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const script = `${noteStart}echo "$KARST_LEASE_ID" > "$3/frame-$2.txt"`;
  const job = await farm().submit(shellJob(marks, [{ range: '0-1', script, writes: true }]));
  await farm().jobIn(job.id, ['succeeded']);
  await published(farm(), job.id);
  const view = new StudioView(farm().storage);
  const before = await view.outputs(job.id);
  const params = { jobId: job.id, step: 'Render', task: 1 };
  const requeued = await farm().api().call(routes.requeueTask, { params });
  expect(requeued.state).not.toBe('succeeded');
  await marks.started(1, 2);
  await farm().jobIn(job.id, ['succeeded']);
  const ended = await published(farm(), job.id);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 2 }));
  const after = await view.outputs(job.id);
  const second = (await marks.starts(1)).at(-1);
  expect(after).toEqual({ ...before, 'Render/out/frame-1.txt': `${second?.leaseId}\n` });
});

it('kills the attempt of a running task that is queued again, and takes the next one', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const script = `${noteStart + waitFor('go')}echo "$KARST_LEASE_ID" > "$3/frame.txt"`;
  const job = await farm().submit(shellJob(marks, [{ script, writes: true }]), {
    policy: { maxRetriesPerTask: 0 },
  });
  const first = await marks.started(0);
  const params = { jobId: job.id, step: 'Render', task: 0 };
  await farm().api().call(routes.requeueTask, { params });
  const second = await marks.started(0, 2);
  await eventually('the first attempt is gone', () => !isAlive(first.pid));
  expect(second.leaseId).not.toBe(first.leaseId);
  await marks.open('go');
  const ended = await farm().jobIn(job.id, ['succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 1 }));
  await published(farm(), job.id);
  expect(await new StudioView(farm().storage).outputs(job.id)).toEqual({
    'Render/out/frame.txt': `${second.leaseId}\n`,
  });
  expect((await taskOf(farm(), job.id)).failures).toBe(0);
});

it('starts nothing of a paused job, lets what runs finish, and goes on when resumed', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const api = farm().api();
  const job = await farm().submit(
    shellJob(marks, [{ range: '0-3', script: noteStart + waitFor('go') }]),
  );
  const params = { jobId: job.id };
  await marks.started(0);
  expect((await api.call(routes.pauseJob, { params })).state).toBe('paused');
  await marks.open('go');
  await taskIn(farm(), job.id, 'succeeded', 0);
  // Another job passing through the same slot shows that the paused one was passed over.
  const other = await farm().submit(shellJob(marks, [{ script: 'true' }]));
  await farm().jobIn(other.id, ['succeeded']);
  expect(await farm().readJob(job.id)).toMatchObject({
    state: 'paused',
    taskCounts: counts({ succeeded: 1, waiting: 3 }),
  });
  expect((await api.call(routes.resumeJob, { params })).state).toBe('running');
  const ended = await farm().jobIn(job.id, ['succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 4 }));
});

it('takes the job of higher priority first, also when that is changed later', async () => {
  const marks = await Marks.make(farm());
  const jobOf = (name: string, priority: number) =>
    farm().submit(shellJob(marks, [{ range: '0-1', script: `echo ${name} >> "$1/order"` }]), {
      policy: { priority },
    });
  await jobOf('middle', 50);
  const raised = await jobOf('raised', 10);
  await jobOf('high', 90);
  const last = await jobOf('low', 20);
  const params = { jobId: raised.id };
  await farm()
    .api()
    .call(routes.setJob, { params, body: { priority: 60 } });
  await farm().startAgent();
  await farm().jobIn(last.id, ['succeeded']);
  expect(await marks.lines('order')).toEqual(
    ['high', 'raised', 'middle', 'low'].flatMap((name) => [name, name]),
  );
});
