import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { farmForFile } from './support/farm-for-file.ts';
import { Marks } from './support/marks.ts';

// Short: an idle node waits three quarters of it for an answer, and then its next call has passed it.
const livenessMs = 1000;
const farm = farmForFile({ livenessMs });

it('keeps the session of an idle node for longer than its liveness', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ env: { KARST_SESSION_IDLE_S: '30' } });
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
  await new Promise((resolve) => setTimeout(resolve, 4 * livenessMs));
  await farm()
    .api()
    .call(routes.releaseStep, { params: { jobId: job.id, step: 'Wait' } });
  await farm().jobIn(job.id, ['succeeded']);
  await marks.written('app', 2);
  expect(await marks.lines('app')).toEqual(['in', 'out']);
});
