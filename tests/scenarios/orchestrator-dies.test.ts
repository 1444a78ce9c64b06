import { keys } from '@karst/orchestrator/store/keys.ts';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts, published, tasksOf } from './support/job-state.ts';
import { Marks, noteStart, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';
import { StudioView } from './support/studio-view.ts';

const taskCount = 40;
const farm = farmForFile({ livenessMs: 5000 });

it('finishes a job whose orchestrator was killed in the middle, accepting each task once', async () => {
  const marks = await Marks.make(farm());
  await Promise.all([farm().startAgent(), farm().startAgent()]);
  const job = await farm().submit(
    shellJob(marks, [
      {
        range: `0-${taskCount - 1}`,
        script: `${noteStart}sleep 0.2; echo "$KARST_LEASE_ID" > "$3/frame-$2.txt"`,
        writes: true,
      },
    ]),
    { policy: { maxRetriesPerTask: 0 } },
  );
  await eventually('some tasks done', async () => {
    return (await farm().readJob(job.id)).taskCounts.succeeded >= 6;
  });
  await farm().replicas[0]?.kill();
  await farm().startReplica(0);
  const listeningAtMs = performance.now();
  const before = (await farm().readJob(job.id)).taskCounts.succeeded;
  expect(before).toBeLessThan(taskCount);
  await eventually('another task accepted', async () => {
    return (await farm().readJob(job.id)).taskCounts.succeeded > before;
  });
  process.stdout.write(
    `resumed ${Math.round(performance.now() - listeningAtMs)} ms after listening again\n`,
  );

  await farm().jobIn(job.id, ['succeeded']);
  const ended = await published(farm(), job.id);
  expect(ended).toMatchObject({
    taskCounts: counts({ succeeded: taskCount }),
    outputs: { accepted: taskCount, published: taskCount },
  });
  const tasks = await tasksOf(farm(), job.id);
  expect(tasks.every(({ failures, outputs }) => failures === 0 && outputs.length === 1)).toBe(true);
  const view = await new StudioView(farm().storage).outputs(job.id);
  expect(Object.keys(view)).toHaveLength(taskCount);
  for (let task = 0; task < taskCount; task++) {
    const starts = await marks.starts(task);
    expect(starts.map(({ leaseId }) => `${leaseId}\n`)).toContain(
      view[`Render/out/frame-${task}.txt`],
    );
  }
});

it('takes back a lease that a cut-off grant left on no node’s list', async () => {
  const marks = await Marks.make(farm());
  const { nodeId } = await farm().startAgent();
  const job = await farm().submit(shellJob(marks, [{ script: noteStart + waitFor('go') }]), {
    policy: { maxRetriesPerTask: 0 },
  });
  const { leaseId } = await marks.started(0);
  const redis = new Redis(farm().redis.url);
  expect(await redis.hdel(keys.nodeLeases(nodeId), leaseId)).toBe(1);
  redis.disconnect();
  expect((await marks.started(0, 2)).leaseId).not.toBe(leaseId);
  await marks.open('go');
  const ended = await farm().jobIn(job.id, ['succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 1 }));
});
