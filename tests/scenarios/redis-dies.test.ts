import { problemSchema } from '@karst/shared/protocol/problem.ts';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts, published, tasksOf } from './support/job-state.ts';
import { Marks, noteStart } from './support/marks.ts';
import { shellJob } from './support/shell-job.ts';
import { StudioView } from './support/studio-view.ts';

const taskCount = 40;
const farm = farmForFile({ livenessMs: 5000 });

it('finishes a job through the death of Redis, and answers 503 meanwhile', async () => {
  const marks = await Marks.make(farm());
  await Promise.all([farm().startAgent(), farm().startAgent()]);
  const template = shellJob(marks, [
    {
      range: `0-${taskCount - 1}`,
      script: `${noteStart}sleep 0.2; echo "$2" > "$3/frame-$2.txt"`,
      writes: true,
    },
  ]);
  const job = await farm().submit(template, { policy: { maxRetriesPerTask: 0 } });
  await eventually('some tasks done', async () => {
    return (await farm().readJob(job.id)).taskCounts.succeeded >= 6;
  });

  await farm().redis.kill();
  const calls: [string, string, unknown?][] = [
    ['GET', `/v1/jobs/${job.id}`],
    ['GET', '/v1/jobs'],
    ['POST', '/v1/jobs', { template }],
    ['POST', `/v1/jobs/${job.id}/cancel`],
    ['GET', '/readyz'],
  ];
  const answers = await Promise.all(calls.map((call) => farm().fetch(...call)));
  for (const [i, answer] of answers.entries()) {
    expect([calls[i]?.[1], answer.status]).toEqual([calls[i]?.[1], 503]);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(problemSchema.parse(await answer.json())).toMatchObject({
      code: 'store_unavailable',
      retryable: true,
    });
  }
  expect((await farm().fetch('GET', '/livez')).status).toBe(200);
  await farm().redis.restart();

  await farm().jobIn(job.id, ['succeeded']);
  expect(await published(farm(), job.id)).toMatchObject({
    taskCounts: counts({ succeeded: taskCount }),
    outputs: { accepted: taskCount, published: taskCount },
  });
  const tasks = await tasksOf(farm(), job.id);
  expect(tasks.every(({ failures, outputs }) => failures === 0 && outputs.length === 1)).toBe(true);
  const view = await new StudioView(farm().storage).outputs(job.id);
  expect(Object.keys(view)).toHaveLength(taskCount);
  expect(view['Render/out/frame-7.txt']).toBe('7\n');
  expect((await farm().fetch('GET', '/readyz')).status).toBe(200);
});
