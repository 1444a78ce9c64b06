import type { JobChange } from '@karst/shared/protocol/job-change.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts, published } from './support/job-state.ts';
import { Marks } from './support/marks.ts';
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
