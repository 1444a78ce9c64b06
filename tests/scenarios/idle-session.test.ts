import type { NodeId } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { Marks } from './support/marks.ts';

// Short: an idle node waits three quarters of it for an answer, and then its next call has passed it.
const livenessMs = 1000;
const farm = farmForFile({ livenessMs });

/** When the node called last, once it holds nothing. */
const lastSync = (nodeId: NodeId) =>
  eventually('the node to be idle', async () => {
    const { items } = await farm().api().call(routes.listNodes, {});
    const node = items.find(({ id }) => id === nodeId);
    return node?.leaseCount === 0 ? Date.parse(node.lastSyncAt ?? '') : undefined;
  });

it('keeps the session of an idle node for longer than its liveness', async () => {
  const marks = await Marks.make(farm());
  const { nodeId } = await farm().startAgent({ env: { KARST_SESSION_IDLE_S: '30' } });
  const template = {
    specificationVersion: 'jobtemplate-2023-09',
    name: 'kept',
    jobEnvironments: [
      {
        name: 'App',
        script: {
          actions: {
            onEnter: { command: '/bin/sh', args: ['-c', `echo in >> ${marks.dir}/app`] },
            onExit: { command: '/bin/sh', args: ['-c', `echo out >> ${marks.dir}/app`] },
          },
        },
      },
    ],
    steps: [
      {
        name: 'Render',
        parameterSpace: { taskParameterDefinitions: [{ name: 'N', type: 'INT', range: '0' }] },
        script: { actions: { onRun: { command: '/bin/true' } } },
      },
      {
        name: 'Wait',
        dependencies: [{ dependsOn: 'Render' }],
        script: { actions: { onRun: { command: '/bin/true' } } },
      },
    ],
  };
  const job = await farm().submit(JSON.stringify(template), {
    policy: { steps: { Wait: { hold: true } } },
  });
  await marks.written('app', 1);
  await farm().jobIn(job.id, ['running']);
  // Its calls tell the time: from the first without a lease, for three times its liveness.
  const idleAt = await lastSync(nodeId);
  await eventually('the node to be idle for long', async () =>
    (await lastSync(nodeId)) > idleAt + 3 * livenessMs ? true : undefined,
  );
  await farm()
    .api()
    .call(routes.releaseStep, { params: { jobId: job.id, step: 'Wait' } });
  await farm().jobIn(job.id, ['succeeded']);
  await marks.written('app', 2);
  expect(await marks.lines('app')).toEqual(['in', 'out']);
});
