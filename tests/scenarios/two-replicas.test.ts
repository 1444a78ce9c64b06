import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts, taskOf } from './support/job-state.ts';
import { agentName, Marks, noteStart, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

// Passes and polls so slow that only a wake-up between the replicas explains a quick start.
const farm = farmForFile({
  replicas: 2,
  livenessMs: 60_000,
  env: { KARST_RECONCILE_MS: '60000' },
});

it('wakes an idle agent of one replica for a job submitted at the other', async () => {
  const marks = await Marks.make(farm());
  const agent = await farm().startAgent({ replica: 1 });
  const submittedAtMs = performance.now();
  const job = await farm().submit(shellJob(marks, [{ script: noteStart }]));
  const start = await marks.started(0, 1, 10_000);
  process.stdout.write(
    `started ${Math.round(performance.now() - submittedAtMs)} ms after the submission elsewhere\n`,
  );
  expect(start.agent).toBe(agentName(agent));
  await farm().jobIn(job.id, ['succeeded']);
});

it('shares the tasks of one job among the agents of both replicas, each task run once', async () => {
  const marks = await Marks.make(farm());
  const agents = [await farm().startAgent({ replica: 0 }), await farm().startAgent({ replica: 1 })];
  const job = await farm().submit(
    shellJob(marks, [{ range: '0-29', script: `${noteStart}sleep 0.1` }]),
  );
  await farm().jobIn(job.id, ['succeeded']);
  const starts = await Promise.all(Array.from({ length: 30 }, (_, task) => marks.starts(task)));
  expect(starts.every((ofTask) => ofTask.length === 1)).toBe(true);
  const ranOn = new Set(starts.flat().map((start) => start.agent));
  expect(ranOn).toEqual(new Set(agents.map(agentName)));
});

it('goes on at the other replica when one is killed', async () => {
  const marks = await Marks.make(farm());
  const agent = await farm().startAgent({ replica: 1 });
  const job = await farm().submit(
    shellJob(marks, [
      { name: 'First', range: '0-3', script: noteStart + waitFor('go') },
      { name: 'Second', dependsOn: ['First'], script: 'echo "$2" >> "$1/second"' },
    ]),
  );
  await marks.started(0);
  await farm().replicas[0]?.kill();
  await marks.open('go');
  const api = farm().api(1);
  await eventually('the job succeeds', async () => {
    return (await api.call(routes.getJob, { params: { jobId: job.id } })).state === 'succeeded';
  });
  const ended = await api.call(routes.getJob, { params: { jobId: job.id } });
  expect(ended.taskCounts).toEqual(counts({ succeeded: 5 }));
  expect(await marks.lines('second')).toEqual(['0']);

  const next = await api.call(routes.submitJob, {
    body: { template: shellJob(marks, [{ script: 'echo "$2" >> "$1/next"' }]) },
  });
  expect(await marks.written('next')).toEqual(['0']);
  await farm().startReplica(0);
  const task = await taskOf(farm(), next.id);
  expect(task.nodeId).toBe(agent.nodeId);
});
