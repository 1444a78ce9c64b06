import { routes } from '@karst/shared/protocol/routes.ts';
import { expect, it } from 'vitest';
import { farmForFile } from './support/farm-for-file.ts';

const farm = farmForFile();

const template = (constraint: string) => `
specificationVersion: jobtemplate-2023-09
extensions: [TASK_CHUNKING]
name: chunks
steps:
  - name: Render
    parameterSpace:
      taskParameterDefinitions:
        - name: Frames
          type: CHUNK[INT]
          range: 1-10
          chunks: { defaultTaskCount: 4, rangeConstraint: ${constraint} }
    script:
      actions:
        onRun: { command: printf, args: ["frames %s", "{{Task.Param.Frames}}"] }
`;

it.each([
  ['CONTIGUOUS', ['1-4', '5-7', '8-10']],
  ['NONCONTIGUOUS', ['1-4', '5-7', '8-10']],
])('frames travel in %s chunks, and the command sees each chunk', async (constraint, chunks) => {
  await farm().startAgent();
  const job = await farm().submit(template(constraint));
  await farm().jobIn(job.id, ['succeeded']);
  const params = { jobId: job.id, step: 'Render' };
  const { items } = await farm().api().call(routes.listTasks, { params });
  expect(items.map((task) => task.parameters.Frames)).toEqual(chunks);
  for (const task of items) {
    const path = `/v1/jobs/${job.id}/steps/Render/tasks/${task.index}/log`;
    expect(await (await farm().fetch('GET', path)).text()).toContain(
      `frames ${chunks[task.index]}`,
    );
  }
});
