import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keys } from '@karst/orchestrator/store/keys.ts';
import { studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { type Job, jobSchema } from '@karst/shared/protocol/job.ts';
import { problemSchema } from '@karst/shared/protocol/problem.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { farmForFile } from './support/farm-for-file.ts';
import { Marks, noteStart } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

const farm = farmForFile();
const studio = studioIdSchema.parse('default');

function submit(template: string, key: string): Promise<Job> {
  const headers = { 'idempotency-key': key };
  return farm().api().call(routes.submitJob, { body: { template } }, { headers });
}

async function jobIds(): Promise<string[]> {
  const query = { limit: 1000 };
  return (await farm().api().call(routes.listJobs, { query })).items.map(({ id }) => id);
}

it('makes one job of a submission sent twenty times at once, and runs it once', async () => {
  const marks = await Marks.make(farm());
  const template = shellJob(marks, [{ script: noteStart }]);
  const before = await jobIds();
  const jobs = await Promise.all(Array.from({ length: 20 }, () => submit(template, 'shot-1')));
  const [job] = jobs;
  expect(new Set(jobs.map(({ id }) => id)).size).toBe(1);
  expect(await jobIds()).toEqual([job?.id, ...before]);
  await farm().startAgent();
  const ended = await farm().jobIn((await submit(template, 'shot-1')).id, ['succeeded']);
  expect(ended.id).toBe(job?.id);
  expect((await submit(template, 'shot-1')).state).toBe('succeeded');
  expect(await marks.starts(0)).toHaveLength(1);
});

it('refuses another submission under a used key, and takes it under a fresh one', async () => {
  const marks = await Marks.make(farm());
  const job = await submit(shellJob(marks, [{ script: 'true' }]), 'shot-2');
  const other = { template: shellJob(marks, [{ script: 'false' }]) };
  const answer = await fetch(`${farm().urls[0]}/v1/jobs`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await readFile(join(farm().dir, 'admin.key'), 'utf8').then((text) => text.trim())}`,
      'content-type': 'application/json',
      'idempotency-key': 'shot-2',
    },
    body: JSON.stringify(other),
  });
  expect(problemSchema.parse(await answer.json())).toMatchObject({
    status: 422,
    code: 'idempotency_key_reused',
  });
  expect((await submit(other.template, 'shot-3')).id).not.toBe(job.id);
});

it('does not spend the key of a submission it refused', async () => {
  const marks = await Marks.make(farm());
  await expect(submit('not: a template', 'shot-4')).rejects.toThrow();
  const job = await submit(shellJob(marks, [{ script: 'true' }]), 'shot-4');
  expect(job.state).toBe('pending');
});

it('makes one job of a submission repeated because the orchestrator was killed', async () => {
  const marks = await Marks.make(farm());
  const template = shellJob(marks, [{ script: noteStart }]);
  const before = await jobIds();
  const cut = Promise.allSettled(Array.from({ length: 20 }, () => submit(template, 'shot-5')));
  await farm().replicas[0]?.kill();
  const answered = (await cut).flatMap((one) => (one.status === 'fulfilled' ? [one.value.id] : []));
  await farm().startReplica(0);
  const job = await submit(template, 'shot-5');
  expect(new Set([...answered, job.id]).size).toBe(1);
  expect(await jobIds()).toEqual([job.id, ...before]);
  await farm().startAgent();
  await farm().jobIn(job.id, ['succeeded']);
  expect(await marks.starts(0)).toHaveLength(1);
});

it('completes a job that was stored, but not listed, when the orchestrator was killed', async () => {
  const marks = await Marks.make(farm());
  const template = shellJob(marks, [{ script: noteStart }]);
  const { id } = await submit(template, 'shot-6');
  // What a crash between storing the job and listing it leaves.
  await farm().replicas[0]?.kill();
  const redis = new Redis(farm().redis.url);
  try {
    const unlisted = await Promise.all([
      redis.srem(keys.activeJobs(), id),
      redis.zrem(keys.studioJobs(studio), id),
    ]);
    expect(unlisted).toEqual([1, 1]);
  } finally {
    redis.disconnect();
  }
  await farm().startReplica(0);
  expect((await submit(template, 'shot-6')).id).toBe(id);
  expect(await jobIds()).toContain(id);
  await farm().startAgent();
  await farm().jobIn(id, ['succeeded']);
  expect(jobSchema.parse(await farm().readJob(id)).taskCounts.succeeded).toBe(1);
});
