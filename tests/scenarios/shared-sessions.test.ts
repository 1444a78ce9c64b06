import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { farmForFile } from './support/farm-for-file.ts';
import { published, taskIn } from './support/job-state.ts';
import { Marks, waitFor } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';
import { StudioView } from './support/studio-view.ts';
import { withEnvironments } from './support/with-environments.ts';

const farm = farmForFile({ livenessMs: 5000 });

const told = (word: string) => `echo "${word}" >> "$1/told"; `;
const entering = (name: string) => ({ name, onEnter: told(`+${name}`), onExit: told(`-${name}`) });

it('enters an environment once for all steps in it, and anew for a step with one of its own', async () => {
  const marks = await Marks.make(farm());
  const agent = await farm().startAgent();
  const writes = true;
  const template = shellJob(marks, [
    { name: 'First', script: `${told('first')}echo 1 > "$3/made"`, writes },
    {
      name: 'Second',
      script: `${told('second')}cat "$3/made" > "$3/more"`,
      writes,
      dependsOn: ['First'],
    },
    {
      name: 'Third',
      script: `${told('third')}cat "$3/made" "$3/more" > "$3/all"`,
      writes,
      dependsOn: ['First', 'Second'],
    },
  ]);
  const job = await farm().submit(
    withEnvironments(template, [entering('job')], { 2: entering('step') }),
  );
  await farm().jobIn(job.id, ['succeeded', 'failed']);
  await published(farm(), job.id);
  agent.child.signal('SIGTERM');
  await marks.written('told', 9);
  expect((await marks.lines('told')).join(' ')).toBe(
    '+job first second -job +job +step third -step -job',
  );
  expect(await new StudioView(farm().storage).outputs(job.id)).toEqual({
    'First/out/made': '1\n',
    'Second/out/more': '1\n',
    'Third/out/all': '1\n1\n',
  });
});

it('brings a kept session what a task that ran again has written, and no more what it wrote before', async () => {
  const marks = await Marks.make(farm());
  await farm().startAgent({ slots: 2 });
  const template = shellJob(marks, [
    // Its job goes on meanwhile, as the end of a job ends its sessions.
    { name: 'Hold', script: waitFor('never') },
    {
      name: 'Write',
      script: 'if [ -e "$1/again" ]; then name=second; else name=first; fi; echo x > "$3/$name"',
      writes: true,
    },
    {
      name: 'Read',
      script: 'ls "$3" | grep -v report >> "$1/seen"; pwd >> "$1/where"; echo x >> "$3/report"',
      writes: true,
      dependsOn: ['Write'],
    },
  ]);
  const job = await farm().submit(withEnvironments(template, [entering('job')]));
  await taskIn(farm(), job.id, 'succeeded', 0, 'Read');
  await marks.open('again');
  for (const step of ['Write', 'Read']) {
    const params = { jobId: job.id, step, task: 0 };
    await farm().api().call(routes.requeueTask, { params });
    await taskIn(farm(), job.id, 'succeeded', 0, step);
  }
  expect(await marks.lines('seen')).toEqual(['first', 'second']);
  expect(new Set(await marks.lines('where')).size).toBe(1);
  expect(await marks.lines('told')).toEqual(['+job', '+job']);
});
