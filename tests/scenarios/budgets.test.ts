import path from 'node:path';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { runCli, testDir } from '../cli/support/run-cli.ts';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts } from './support/job-state.ts';
import { Marks, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

// Passes so slow that only a wake-up explains what happens at once.
const farm = farmForFile({
  replicas: 2,
  livenessMs: 60_000,
  env: { KARST_RECONCILE_MS: '60000' },
});

const setBudget = (project: string, budgetCoreHours: number) =>
  farm()
    .api(1)
    .call(routes.setProjectShare, {
      params: { studio: 'default', project },
      body: { budgetCoreHours },
    });

const explain = (jobId: JobId, replica: number) =>
  farm().api(replica).call(routes.explainJob, { params: { jobId } });

/** Waits until a replica says so first of the job's one step. */
const overBudget = (jobId: JobId, replica: number) =>
  eventually(`replica ${replica} finds ${jobId} over budget`, async () => {
    const { steps, forecast } = await explain(jobId, replica);
    const reason = steps[0]?.reasons[0];
    return reason?.kind === 'over_budget' ? { reason, step: steps[0], forecast } : undefined;
  });

async function karst(...args: string[]) {
  const env = {
    KARST_URL: farm().urls[1] ?? '',
    KARST_API_KEY_FILE: path.join(farm().dir, 'admin.key'),
  };
  return await runCli(args, { cwd: await testDir(), env });
}

/** Whichever task starts, it says so and waits. */
const gated = (marks: Marks, tasks: number) => {
  const script = `echo run >> "$1/begun"; ${waitFor('go')}`;
  return shellJob(marks, [{ range: `0-${tasks - 1}`, script }]);
};

/** Every node has room for more: what might have been granted beside this was. */
async function otherWorkRuns(nodes: number): Promise<void> {
  const marks = await Marks.make(farm());
  // More tasks at once than any one node has slots.
  const job = await farm().submit(gated(marks, 3 * nodes), { project: 'other' });
  await marks.written('begun', 3 * nodes);
  await marks.open('go');
  await farm().jobIn(job.id, ['succeeded']);
}

it('a project over its budget waits on every replica, what runs ends, and a raise starts the rest', async () => {
  const marks = await Marks.make(farm());
  // Whatever one task takes is more.
  await setBudget('feature film', 0.0000001);
  const node = await farm().startAgent({ replica: 0, slots: 4 });
  const job = await farm().submit(gated(marks, 5), { project: 'feature film' });
  await marks.written('begun');
  const { reason, step, forecast } = await overBudget(job.id, 0);
  expect(reason.text).toBe('Over budget: project feature film has used 0.017 of 0 core-hours.');
  expect(step).toMatchObject({ waiting: 4, running: 1, summary: `1 task runs. ${reason.text}` });
  expect(forecast).toMatchObject({ start: null, end: null, basis: 'it is over its budget' });
  await overBudget(job.id, 1);
  const idle = await farm()
    .api(1)
    .call(routes.explainNode, { params: { nodeId: node.nodeId } });
  expect(idle.waiting[0]).toMatchObject({ standing: 'limit_reached', text: reason.text });
  await farm().startAgent({ replica: 1, slots: 4 });
  await otherWorkRuns(2);
  expect(await marks.lines('begun')).toEqual(['run']);

  await marks.open('go');
  await eventually('the task that ran succeeds', async () => {
    return (await farm().readJob(job.id)).taskCounts.succeeded === 1;
  });
  await Promise.all([overBudget(job.id, 0), overBudget(job.id, 1)]);
  await otherWorkRuns(2);
  expect((await farm().readJob(job.id)).taskCounts).toEqual(counts({ succeeded: 1, waiting: 4 }));
  expect((await karst('explain', job.id)).stdout).toContain('- Over budget: project feature film');

  expect((await karst('share', 'set', 'default/feature film', '--budget', '5000')).code).toBe(0);
  await farm().jobIn(job.id, ['succeeded'], 10_000);
});

it('starts what estimates held back as soon as the tasks that ran took less', async () => {
  const marks = await Marks.make(farm());
  // Three tasks that nobody has measured, at a core-minute each.
  await setBudget('advert', 0.05);
  const node = await farm().startAgent({ replica: 0, slots: 6 });
  const job = await farm().submit(gated(marks, 6), { project: 'advert' });
  await marks.written('begun', 3);
  const { reason } = await overBudget(job.id, 1);
  expect(reason.text).toBe('Over budget: project advert has used 0.05 of 0.05 core-hours.');
  await farm().startAgent({ replica: 1, slots: 6 });
  await otherWorkRuns(2);
  expect((await marks.lines('begun')).length).toBe(3);
  // What is left is for the other node, whose call waits.
  const params = { nodeId: node.nodeId };
  await farm()
    .api(0)
    .call(routes.drainNode, { params, query: { now: 'false' } });
  await marks.open('go');
  await farm().jobIn(job.id, ['succeeded'], 10_000);
  for (const replica of [0, 1]) {
    await eventually(`replica ${replica} knows what the tasks took`, async () => {
      const { items } = await farm().api(replica).call(routes.listShares, {});
      const share = items.find(({ project }) => project === 'advert');
      if (share === undefined || share.runningTasks > 0) return false;
      return share.spentCoreHours > 0 && share.spentCoreHours < 0.05;
    });
  }
});

it('a studio over its budget starts nothing of any project, until it has none', async () => {
  const marks = await Marks.make(farm());
  const params = { studio: 'default' };
  await farm().startAgent({ replica: 0, slots: 2 });
  const api = farm().api(1);
  await api.call(routes.setStudioShare, { params, body: { budgetCoreHours: 0 } });
  const job = await farm().submit(shellJob(marks, [{ script: 'true' }]), { project: 'any' });
  const { reason } = await overBudget(job.id, 0);
  expect(reason.text).toMatch(/^Over budget: studio default has used [\d.]+ of 0 core-hours\.$/);
  await api.call(routes.deleteStudioShare, { params });
  await farm().jobIn(job.id, ['succeeded'], 10_000);
});
