import { keys } from '@karst/orchestrator/store/keys.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { acceptedOutputs, published, taskIn, tasksOf } from './support/job-state.ts';
import { Marks } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

const farm = farmForFile({ replicas: 2, livenessMs: 5000 });

/** Four frames with a log and a file each; then one task that lists and joins what it finds. */
const twoSteps = (marks: Marks) =>
  shellJob(marks, [
    { range: '0-3', script: 'echo "frame $2"; echo "$2" > "$3/$2.txt"', writes: true },
    {
      name: 'Join',
      dependsOn: ['Render'],
      script: 'cd "$3"; cat 0.txt 1.txt 2.txt 3.txt > joined.txt',
      writes: true,
    },
  ]);

async function pagedOut(redis: Redis, jobId: JobId, step: number): Promise<void> {
  await eventually(`details of step ${step} left Redis`, async () => {
    const here = await redis.exists(keys.attempts(jobId, step), keys.outputs(jobId, step));
    return here === 0 && (await redis.hlen(keys.pages(jobId, step))) > 0;
  });
}

const logOf = async (jobId: JobId, task: number) => {
  const path = `/v1/jobs/${jobId}/steps/Render/tasks/${task}/log`;
  return await (await farm().fetch('GET', path)).text();
};

const contents = async (jobId: JobId) =>
  Object.fromEntries(
    await Promise.all(
      (await acceptedOutputs(farm(), jobId)).map(
        async ({ path, url }) => [path, await (await fetch(url)).text()] as const,
      ),
    ),
  );

it('paged-out frames are read by people, by later steps, run again, and outlive Redis', async () => {
  const redis = new Redis(farm().redis.url);
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  const job = await farm().submit(twoSteps(marks), { policy: { steps: { Join: { hold: true } } } });
  await taskIn(farm(), job.id, 'succeeded', 3);
  const frames = { 'out/0.txt': '0\n', 'out/1.txt': '1\n', 'out/2.txt': '2\n', 'out/3.txt': '3\n' };
  await pagedOut(redis, job.id, 0);
  expect(await contents(job.id)).toEqual(frames);
  expect(await logOf(job.id, 2)).toBe('frame 2\n');
  const tasks = await tasksOf(farm(), job.id);
  for (const { attempt, nodeId, outputs } of tasks) {
    expect({ outcome: attempt?.outcome, nodeId, files: outputs.length }).toEqual({
      outcome: 'succeeded',
      nodeId: attempt?.nodeId,
      files: 1,
    });
  }

  await farm()
    .api()
    .call(routes.releaseStep, { params: { jobId: job.id, step: 'Join' } });
  await farm().jobIn(job.id, ['succeeded']);
  await published(farm(), job.id);
  const all = { ...frames, 'out/joined.txt': '0\n1\n2\n3\n' };
  expect(await contents(job.id)).toEqual(all);
  await pagedOut(redis, job.id, 1);

  const params = { jobId: job.id, step: 'Render', task: 1 };
  await farm().api(1).call(routes.requeueTask, { params });
  await eventually('the task has run again', async () => {
    const task = await farm().api().call(routes.getTask, { params });
    return task.state === 'succeeded' && task.attempt?.epoch !== tasks[1]?.attempt?.epoch;
  });
  await farm().jobIn(job.id, ['succeeded']);
  await published(farm(), job.id);
  await pagedOut(redis, job.id, 0);
  expect(await contents(job.id)).toEqual(all);

  const before = await tasksOf(farm(), job.id);
  const paths = async () => (await acceptedOutputs(farm(), job.id)).map(({ path }) => path);
  const listed = await paths();
  for (const replica of farm().replicas) await replica.kill();
  await redis.flushall();
  await farm().startReplica(0);
  expect(await tasksOf(farm(), job.id)).toEqual(before);
  expect(await paths()).toEqual(listed);
  await pagedOut(redis, job.id, 0);
  expect(await tasksOf(farm(), job.id)).toEqual(before);
  expect(await logOf(job.id, 2)).toBe('frame 2\n');
  redis.disconnect();
});
