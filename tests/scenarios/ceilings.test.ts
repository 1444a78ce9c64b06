import { problemSchema } from '@karst/shared/protocol/problem.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { mostAtOnce, notedWork } from './support/concurrency.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { Marks, noteStart, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

// Passes so slow that only a wake-up explains what happens at once.
const farm = farmForFile({
  replicas: 2,
  livenessMs: 60_000,
  env: { KARST_RECONCILE_MS: '60000' },
});

const limit = (name: string, body: { max: number; per?: 'task' | 'host'; reserve?: number }) =>
  farm().api(1).call(routes.setLimit, { params: { name }, body });

/** How many tasks have started, as they say themselves. */
async function started(marks: Marks, tasks: number): Promise<number> {
  const starts = await Promise.all(Array.from({ length: tasks }, (_, task) => marks.starts(task)));
  return starts.flat().length;
}

/** Waits until `count` tasks have started; no more may have by then. */
async function exactlyStarted(marks: Marks, tasks: number, count: number): Promise<void> {
  await eventually(`${count} starts`, async () => (await started(marks, tasks)) >= count, 10_000);
  expect(await started(marks, tasks)).toBe(count);
}

it('never runs more tasks than a limit allows, with two replicas that grant at once', async () => {
  const marks = await Marks.make(farm());
  await limit('houdini', { max: 3 });
  for (const replica of [0, 1, 0, 1]) await farm().startAgent({ replica, slots: 2 });
  const job = await farm().submit(shellJob(marks, [{ range: '0-19', script: notedWork(0.2) }]), {
    policy: { limits: ['houdini'] },
  });
  let inUseMost = 0;
  await eventually('the job succeeds', async () => {
    const { items } = await farm().api(1).call(routes.listLimits, {});
    inUseMost = Math.max(inUseMost, items.find(({ name }) => name === 'houdini')?.inUse ?? 0);
    return (await farm().readJob(job.id)).state === 'succeeded';
  });
  expect(await mostAtOnce(marks)).toMatchObject({ tasks: 3 });
  expect(inUseMost).toBe(3);
  expect((await marks.lines('work')).length).toBe(40);
});

it('counts nodes, not tasks, of a limit per host', async () => {
  const marks = await Marks.make(farm());
  await limit('renderman', { max: 1, per: 'host' });
  for (const replica of [0, 1]) await farm().startAgent({ replica, slots: 3 });
  const job = await farm().submit(shellJob(marks, [{ range: '0-11', script: notedWork(0.2) }]), {
    policy: { limits: ['renderman'] },
  });
  await farm().jobIn(job.id, ['succeeded']);
  const most = await mostAtOnce(marks);
  expect(most.nodes).toBe(1);
  expect(most.tasks).toBeGreaterThan(1);
});

it('leaves artists their reserve, or what they use when that is more', async () => {
  const marks = await Marks.make(farm());
  const api = farm().api(1);
  expect(await limit('nuke', { max: 5, reserve: 3 })).toMatchObject({ forFarm: 2, inUse: 0 });
  await farm().startAgent({ replica: 0, slots: 6 });
  const script = noteStart + waitFor('go');
  const job = await farm().submit(shellJob(marks, [{ range: '0-5', script }]), {
    policy: { limits: ['nuke'] },
  });
  await exactlyStarted(marks, 6, 2);
  const params = { name: 'nuke' };
  const told = await api.call(routes.setLimitUse, { params, body: { usedElsewhere: 1 } });
  expect(told).toMatchObject({ max: 5, reserve: 3, usedElsewhere: 1, forFarm: 2, inUse: 2 });
  expect(await limit('nuke', { max: 6, reserve: 3 })).toMatchObject({ forFarm: 3 });
  await exactlyStarted(marks, 6, 3);
  await api.call(routes.deleteLimit, { params });
  await exactlyStarted(marks, 6, 6);
  await marks.open('go');
  await farm().jobIn(job.id, ['succeeded']);
});

it("lets a studio's raised ceiling work at once, on the replica that was not asked", async () => {
  const marks = await Marks.make(farm());
  const api = farm().api(1);
  const params = { studio: 'default' };
  await api.call(routes.setStudioShare, { params, body: { maxTasks: 1, weight: 2 } });
  await farm().startAgent({ replica: 0, slots: 4 });
  const script = noteStart + waitFor('go');
  const job = await farm().submit(shellJob(marks, [{ range: '0-3', script }]));
  await exactlyStarted(marks, 4, 1);
  await api.call(routes.setStudioShare, { params, body: { maxTasks: 3, weight: 2 } });
  await exactlyStarted(marks, 4, 3);
  const own = await api.call(routes.getOwnShare, {});
  expect(own.studio).toMatchObject({ studio: 'default', weight: 2, maxTasks: 3, runningTasks: 3 });
  await api.call(routes.deleteStudioShare, { params });
  await exactlyStarted(marks, 4, 4);
  await marks.open('go');
  await farm().jobIn(job.id, ['succeeded']);
  await eventually('the use is told to the other replica', async () => {
    const { items } = await api.call(routes.listShares, {});
    const share = items.find(({ studio, project }) => studio === 'default' && !project);
    return share !== undefined && share.runningTasks === 0 && share.usage > 0;
  });
});

it("keeps a job's own ceilings, as they are changed, and forgets them with the job", async () => {
  const marks = await Marks.make(farm());
  for (const replica of [0, 1]) await farm().startAgent({ replica, slots: 3 });
  const script = noteStart + waitFor('go');
  const job = await farm().submit(shellJob(marks, [{ range: '0-5', script }]), {
    policy: { maxTasks: 1, priority: 10 },
  });
  await exactlyStarted(marks, 6, 1);
  const params = { jobId: job.id };
  const api = farm().api(1);
  const raised = await api.call(routes.setJob, { params, body: { maxTasks: 3 } });
  expect(raised.policy).toMatchObject({ maxTasks: 3, priority: 10 });
  await exactlyStarted(marks, 6, 3);
  await api.call(routes.setJob, { params, body: { maxTasks: null, maxNodes: 1 } });
  const redis = new Redis(farm().redis.url);
  const stand = async () =>
    Object.entries(await redis.hgetall('karst:{farm}:ledger:ceilings')).filter(([name]) =>
      name.startsWith(`job:${job.id}`),
    );
  expect(await stand()).toEqual([[`job:${job.id}:nodes`, '1']]);
  await marks.open('go');
  await farm().jobIn(job.id, ['succeeded']);
  await eventually('no ceiling is left', async () => (await stand()).length === 0);
  redis.disconnect();
});

it('refuses a limit or a pool that is not there, and says which was meant', async () => {
  const marks = await Marks.make(farm());
  await limit('arnold', { max: 3 });
  const template = shellJob(marks, [{ script: 'true' }]);
  const policy = { limits: ['arnodl'], placement: { pool: 'gpus' } };
  const refused = await farm().fetch('POST', '/v1/jobs', { template, policy });
  const problem = problemSchema.parse(await refused.json());
  expect(problem).toMatchObject({ status: 422, code: 'invalid_policy' });
  expect(problem.errors?.map(({ path }) => path)).toEqual([
    ['policy', 'limits', 0],
    ['policy', 'placement', 'pool'],
  ]);
  expect(problem.errors?.[0]?.message).toContain('did you mean "arnold"?');
  const job = await farm().submit(template);
  const change = await farm().fetch('PATCH', `/v1/jobs/${job.id}`, { limits: ['arnodl'] });
  expect(problemSchema.parse(await change.json())).toMatchObject({
    status: 422,
    errors: [{ path: ['limits', 0] }],
  });
});
