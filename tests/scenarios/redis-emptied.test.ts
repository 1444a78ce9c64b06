import type { JobChange } from '@karst/shared/protocol/job-change.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts, published } from './support/job-state.ts';
import { Marks, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';
import { StudioView } from './support/studio-view.ts';

const farm = farmForFile({ livenessMs: 3000 });

it('a farm whose Redis was emptied is rebuilt from storage and renders nothing twice', async () => {
  const marks = await Marks.make(farm());
  const agent = await farm().startAgent({ slots: 2 });
  // Every run of a task leaves a line; the last four tasks wait for a gate.
  const script =
    'echo run >> "$1/run-$2"; if [ "$2" -ge 4 ]; then while [ ! -e "$1/gate" ]; do sleep 0.05; done; fi; echo "$2" > "$3/$2.txt"';
  const steps = [{ name: 'Render', script, range: '0-7', writes: true }];
  const open = await farm().submit(shellJob(marks, steps, 'open'));
  await eventually('four tasks done and published', async () => {
    const job = await farm().readJob(open.id);
    return job.taskCounts.succeeded >= 4 && job.outputs.published >= 4;
  });
  const canceled = await farm().submit(shellJob(marks, steps, 'canceled'));
  await farm()
    .api()
    .call(routes.cancelJob, { params: { jobId: canceled.id } });
  const { key } = await farm()
    .api()
    .call(routes.createKey, { body: { studio: 'default', role: 'read' } });
  const revoked = await farm()
    .api()
    .call(routes.createKey, { body: { studio: 'default', role: 'read' } });
  await farm()
    .api()
    .call(routes.revokeKey, { params: { keyId: revoked.id } });

  const api = farm().api();
  await api.call(routes.setLimit, { params: { name: 'nuke' }, body: { max: 7, reserve: 2 } });
  await api.call(routes.setLimit, { params: { name: 'gone' }, body: { max: 1 } });
  await api.call(routes.deleteLimit, { params: { name: 'gone' } });
  const ofProject = { studio: 'default', project: 'feature film' };
  await api.call(routes.setProjectShare, { params: ofProject, body: { maxTasks: 9 } });
  const change: JobChange = { limits: ['nuke'], maxTasks: 2, priorityClass: 'urgent' };
  await api.call(routes.setJob, { params: { jobId: open.id }, body: change });

  await farm().replicas[0]?.kill();
  await agent.child.kill();
  const redis = new Redis(farm().redis.url);
  const ceilings = await redis.hgetall('karst:{farm}:ledger:ceilings');
  await redis.flushall();
  await farm().startReplica(0);

  expect((await farm().readJob(open.id)).taskCounts).toEqual(counts({ succeeded: 4, waiting: 4 }));
  expect((await farm().readJob(open.id)).policy).toMatchObject(change);
  expect(ceilings).toEqual({
    'limit:nuke': '5',
    'project:default/feature film:tasks': '9',
    [`job:${open.id}:tasks`]: '2',
  });
  expect(await redis.hgetall('karst:{farm}:ledger:ceilings')).toEqual(ceilings);
  redis.disconnect();
  const limits = (await farm().api().call(routes.listLimits, {})).items;
  expect(limits).toMatchObject([{ name: 'nuke', max: 7, reserve: 2, forFarm: 5, inUse: 0 }]);
  expect((await farm().readJob(canceled.id)).state).toBe('canceled');
  expect((await farm().api(0, key).call(routes.whoami, {})).role).toBe('read');
  expect((await farm().fetch('GET', '/v1/whoami', undefined, revoked.key)).status).toBe(401);
  const nodes = await farm().api().call(routes.listNodes, {});
  expect(nodes.items.map((node) => node.id)).toEqual([agent.nodeId]);

  await marks.open('gate');
  // The node goes on under the key it enrolled with.
  const again = await farm().startAgent({ dir: agent.dir, slots: 2 });
  expect(again.nodeId).toBe(agent.nodeId);
  const done = await farm().jobIn(open.id, ['succeeded', 'failed']);
  expect(done.taskCounts).toEqual(counts({ succeeded: 8 }));
  await published(farm(), open.id);
  for (const task of [0, 1, 2, 3]) expect(await marks.lines(`run-${task}`)).toEqual(['run']);
  const outputs = await new StudioView(farm().storage).outputs(open.id);
  expect(Object.keys(outputs).length).toBe(8);
});

it('what was spent survives: a project over its budget stays so on a rebuilt Redis', async () => {
  const marks = await Marks.make(farm());
  const ofProject = { studio: 'default', project: 'poor' };
  const share = async () => {
    const { items } = await farm().api().call(routes.listShares, {});
    return items.find(({ project }) => project === 'poor');
  };
  // Two tasks that nobody has measured, at a core-minute each, are more.
  const spentCoreHours = 120 / 3600;
  await farm()
    .api()
    .call(routes.setProjectShare, { params: ofProject, body: { budgetCoreHours: 0.02 } });
  const agent = await farm().startAgent({ slots: 4 });
  const script = `echo run >> "$1/begun"; ${waitFor('gate')}`;
  const job = await farm().submit(shellJob(marks, [{ script, range: '0-3' }]), { project: 'poor' });
  await marks.written('begun', 2);
  const redis = new Redis(farm().redis.url);
  await eventually('storage has what was spent', async () => {
    const [changes, kept] = await redis.hmget('karst:{farm}:usage:mirror', 'changes', 'kept');
    const spent = await redis.hget('karst:{farm}:spent', 'default/poor');
    return spent === '120' && changes === kept;
  });
  await farm().replicas[0]?.kill();
  await agent.child.kill();
  await redis.flushall();
  redis.disconnect();
  await farm().startReplica(0);

  expect(await share()).toMatchObject({ budgetCoreHours: 0.02, spentCoreHours });
  expect((await share())?.usage).toBeCloseTo(120, 0);
  await farm().startAgent({ dir: agent.dir, slots: 4 });
  await eventually('it is over its budget', async () => {
    const { steps } = await farm()
      .api()
      .call(routes.explainJob, { params: { jobId: job.id } });
    return steps[0]?.reasons[0]?.kind === 'over_budget';
  });
  // Another project's tasks start: these would have, too.
  const other = await farm().submit(shellJob(marks, [{ script: 'true' }]));
  await farm().jobIn(other.id, ['succeeded']);
  expect((await marks.lines('begun')).length).toBe(2);
  await marks.open('gate');
  await farm().api().call(routes.deleteProjectShare, { params: ofProject });
  await farm().jobIn(job.id, ['succeeded']);
  expect((await share())?.spentCoreHours).toBeGreaterThan(spentCoreHours);
});
