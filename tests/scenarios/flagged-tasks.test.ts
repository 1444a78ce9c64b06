import type { JobId } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts, taskOf } from './support/job-state.ts';
import { agentName, Marks, noteStart, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';

const farm = farmForFile({ env: { KARST_SLOW_TASK_MS: '1500', KARST_SPAN_TARGET_MS: '100' } });

async function flagged(jobId: JobId): Promise<string[]> {
  const query = { limit: 1000, flagged: 'true' as const };
  const params = { jobId, step: 'Render' };
  const { items } = await farm().api().call(routes.listTasks, { params, query });
  return items.map(({ index, flags = [] }) => `${index} ${flags.join()}`);
}

it('flags a task that prints nothing, and no longer once it speaks', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  const speaks = 'until [ -e "$1/end" ]; do echo here; sleep 0.1; done';
  const script = `if [ "$2" = 1 ]; then ${speaks}; exit 0; fi; ${waitFor('speak')}${speaks}`;
  const job = await farm().submit(shellJob(marks, [{ script, range: '0-1' }]), {
    policy: { silentSeconds: 1 },
  });
  await eventually('a silent task', async () => (await flagged(job.id)).join() === '0 silent');
  await marks.open('speak');
  await eventually('none silent', async () => (await flagged(job.id)).length === 0);
  await marks.open('end');
  const ended = await farm().jobIn(job.id, ['succeeded', 'failed']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 2 }));
});

it('ends a silent task and tries it elsewhere, if the job wants that', async () => {
  const marks = await Marks.make(farm());
  const first = await farm().startAgent();
  const script = `${noteStart}[ -e "$1/tried" ] && exit 0; : > "$1/tried"; sleep 3600`;
  const job = await farm().submit(shellJob(marks, [{ script }]), {
    policy: { silentSeconds: 1, onSilent: 'retry', maxRetriesPerTask: 1 },
  });
  await marks.started(0);
  const second = await farm().startAgent();
  const ended = await farm().jobIn(job.id, ['succeeded', 'failed']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 1 }));
  expect((await taskOf(farm(), job.id)).failures).toBe(1);
  const started = (await marks.starts(0)).map(({ agent }) => agent);
  expect(started).toEqual([first, second].map(agentName));
});

it('says what became of a silent task that has no retry', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent();
  const job = await farm().submit(shellJob(marks, [{ script: 'echo begun; sleep 3600' }]), {
    policy: { silentSeconds: 1, onSilent: 'retry', maxRetriesPerTask: 0 },
  });
  await farm().jobIn(job.id, ['failed']);
  expect((await taskOf(farm(), job.id)).attempt).toMatchObject({
    failureKind: 'silent',
    failureClass: 'task',
    message: 'printed nothing for 1 s and was ended',
  });
});

it('flags a task that takes far longer than its siblings did, and tells it once', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  const script = `if [ "$2" = 3 ]; then ${noteStart}${waitFor('go')}fi; sleep 0.2`;
  const job = await farm().submit(shellJob(marks, [{ script, range: '0-7' }]));
  await eventually('a slow task', async () => (await flagged(job.id)).join() === '3 slow');
  await eventually('word of it', () => farm().replicas[0]?.stderr.includes('task is slow'));
  await marks.open('go');
  const ended = await farm().jobIn(job.id, ['succeeded', 'failed']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 8 }));
  expect(farm().replicas[0]?.stderr.split('task is slow')).toHaveLength(2);
});
