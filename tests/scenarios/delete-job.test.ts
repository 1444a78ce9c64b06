import { routes } from '@karst/shared/protocol/routes.ts';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { uploadAsset } from './support/assets.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { published } from './support/job-state.ts';
import { Marks, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';
import { StudioView } from './support/studio-view.ts';

const farm = farmForFile({ livenessMs: 3000 });

const writes = 'echo "$2" > "$3/$2.txt"';

async function endedJob() {
  const marks = await Marks.make(farm());
  const steps = [{ range: '0-4', script: writes, writes: true }];
  const job = await farm().submit(shellJob(marks, steps));
  await farm().jobIn(job.id, ['succeeded']);
  await published(farm(), job.id);
  return job;
}

/** What storage holds of a job, but for pages of finished tasks: those are replaced as they grow. */
async function stored(jobId: string): Promise<string[]> {
  const keys = await new StudioView(farm().storage).keys('');
  return keys.filter(
    (key) => key.startsWith('studios/') && key.includes(jobId) && !key.includes('/history/'),
  );
}

it('an ended job is deleted with everything it left, and its neighbour keeps everything', async () => {
  await farm().startAgent({ slots: 2 });
  const [job, other] = [await endedJob(), await endedJob()];
  const before = await stored(other.id);
  expect((await stored(job.id)).length).toBeGreaterThan(10);
  await farm()
    .api()
    .call(routes.deleteJob, { params: { jobId: job.id } });

  expect((await farm().fetch('GET', `/v1/jobs/${job.id}`)).status).toBe(404);
  const listed = await farm().api().call(routes.listJobs, {});
  expect(listed.items.map(({ id }) => id)).toEqual([other.id]);
  await eventually('its objects gone', async () => {
    const keys = await new StudioView(farm().storage).keys('');
    return !keys.some((key) => key.startsWith('studios/') && key.includes(job.id));
  });
  const redis = new Redis(farm().redis.url);
  await eventually('no key but that it was there', async () => {
    const keys = await redis.keys(`karst:{${job.id}}*`);
    return keys.length === 1 && keys[0] === `karst:{${job.id}}:deleted`;
  });
  redis.disconnect();
  expect(await stored(other.id)).toEqual(before);
  expect((await farm().fetch('DELETE', `/v1/jobs/${job.id}`)).status).toBe(404);
});

it('a job that has not ended is not deleted', async () => {
  await farm().startAgent();
  const marks = await Marks.make(farm());
  const job = await farm().submit(
    shellJob(marks, [{ script: `${waitFor('gate')}${writes}`, writes: true }]),
  );
  await farm().jobIn(job.id, ['running']);
  const refused = await farm().fetch('DELETE', `/v1/jobs/${job.id}`);
  expect({ status: refused.status, body: await refused.json() }).toMatchObject({
    status: 409,
    body: { code: 'conflict', detail: 'The job has not ended: cancel it first.' },
  });
  await marks.open('gate');
  await farm().jobIn(job.id, ['succeeded']);
  expect(Object.keys((await published(farm(), job.id)).outputs)).toContain('published');
});

it('the idempotency key of a deleted job makes no other job', async () => {
  await farm().startAgent();
  const marks = await Marks.make(farm());
  const body = { template: shellJob(marks, [{ script: 'true' }]) };
  const options = { headers: { 'idempotency-key': 'once' } };
  const job = await farm().api().call(routes.submitJob, { body }, options);
  await farm().jobIn(job.id, ['succeeded']);
  await farm()
    .api()
    .call(routes.deleteJob, { params: { jobId: job.id } });
  await expect(farm().api().call(routes.submitJob, { body }, options)).rejects.toThrow('deleted');
  await eventually('its objects gone', async () => (await stored(job.id)).length === 0);
});

it('a deletion that was cut off goes on, and an emptied Redis does not bring the job back', async () => {
  await farm().startAgent();
  const input = await uploadAsset(farm(), Buffer.from('shared by both'));
  const job = await endedJob();
  const view = new StudioView(farm().storage);
  // As a replica leaves it that dies between the tombstone and the last object.
  await farm().replicas[0]?.kill();
  const tombstone = { studio: 'default', steps: 1 };
  await view.put(`farm/deletions/${job.id}.json`, Buffer.from(JSON.stringify(tombstone)));
  const redis = new Redis(farm().redis.url);
  await redis.flushall();
  redis.disconnect();
  await farm().startReplica(0);
  expect((await farm().fetch('GET', `/v1/jobs/${job.id}`)).status).toBe(404);
  await eventually('its objects gone', async () => (await stored(job.id)).length === 0);
  expect(await view.keys(`studios/default/assets/${input.sha256}`)).toHaveLength(1);
});
