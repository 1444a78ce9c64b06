import type { JobChange } from '@karst/shared/protocol/job-change.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts, taskOf } from './support/job-state.ts';
import { Marks, noteStart, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

const farm = farmForFile();

it('lets an agent that ran the step already judge by new rules from its next lease on', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const steps = [{ script: `${noteStart}${waitFor('gate')}exit 3` }];
  const { id: jobId } = await farm().submit(shellJob(marks, steps), {
    policy: { maxRetriesPerTask: 50 },
  });
  await marks.started(0);
  const failureRules = [{ name: 'scene', exitCodes: [3], as: 'fatal' as const }];
  const body = { failureRules, poisonNodes: 5 };
  const changed = await farm().api().call(routes.setJob, { params: { jobId }, body });
  expect(changed.policy).toMatchObject({ failureRules, poisonNodes: 5, maxRetriesPerTask: 50 });
  await marks.open('gate');
  const ended = await farm().jobIn(jobId, ['failed', 'succeeded']);
  expect(ended.taskCounts).toEqual(counts({ failed: 1 }));
  // The first lease ended under what it began with, and its failure cost a retry.
  expect(await marks.starts(0)).toHaveLength(2);
  expect(await taskOf(farm(), jobId)).toMatchObject({
    failures: 2,
    attempt: { failureRule: 'scene', failureClass: 'task' },
  });
});

it('ends silent tasks from the next lease on, and no longer once told so', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const script = `${noteStart}if [ "$2" = 0 ]; then ${waitFor('go')}else sleep 3; fi`;
  const { id: jobId } = await farm().submit(shellJob(marks, [{ script, range: '0-1' }]), {
    policy: { maxRetriesPerTask: 100 },
  });
  const set = (body: JobChange) => farm().api().call(routes.setJob, { params: { jobId }, body });
  await marks.started(0);
  await set({ silentSeconds: 1, onSilent: 'retry' });
  await marks.open('go');
  await eventually(
    'a task ended for its silence',
    async () => (await taskOf(farm(), jobId, 1)).attempt?.failureKind === 'silent',
  );
  expect((await set({ silentSeconds: null })).policy.silentSeconds).toBeUndefined();
  const ended = await farm().jobIn(jobId, ['failed', 'succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 2 }));
  expect(await marks.starts(0)).toHaveLength(1);
});

it('refuses by name what stays as it was submitted, and rules about no step of the job', async () => {
  const marks = await Marks.make(farm());
  const { id } = await farm().submit(shellJob(marks, [{ script: 'true' }]));
  const patch = async (body: object) => {
    const response = await farm().fetch('PATCH', `/v1/jobs/${id}`, body);
    expect(response.status).toBe(400);
    return await response.text();
  };
  expect(await patch({ steps: { Render: { order: 'bisect' } } })).toContain(
    'the order, scouts, hold, frame links, output checks and previews of steps stay as submitted',
  );
  const rule = { name: 'r', exitCodes: [3], as: 'farm' };
  const misspelt = await patch({ failureRules: [{ ...rule, steps: ['Rendr'] }] });
  expect(misspelt).toContain('did you mean \\"Render\\"');
  expect(misspelt).toContain('["failureRules",0,"steps",0]');
  expect(await patch({ failureRules: [rule, rule] })).toContain(
    'expected rules of different names',
  );
  expect(await patch({ poisonNodes: 1 })).toContain('from 2 to 8');
  expect((await farm().readJob(id)).policy.failureRules).toEqual([]);
});
