import type { OutputCheck } from '@karst/shared/protocol/output-checks.ts';
import { problemSchema } from '@karst/shared/protocol/problem.ts';
import { expect, it } from 'vitest';
import { mediaForFile } from '../outputs/support/media-files.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { acceptedOutputs, counts, published, taskOf, tasksOf } from './support/job-state.ts';
import { StudioView } from './support/studio-view.ts';

const farm = farmForFile();
const media = mediaForFile();

/** Frames 1 to 3, and a film of them; `$1` is the frame. */
const template = (script: string) =>
  JSON.stringify({
    specificationVersion: 'jobtemplate-2023-09',
    name: 'checked',
    parameterDefinitions: [
      { name: 'Out', type: 'PATH', objectType: 'DIRECTORY', dataFlow: 'OUT', default: 'frames' },
      { name: 'Notes', type: 'PATH', default: 'notes' },
    ],
    steps: [
      {
        name: 'Render',
        parameterSpace: {
          taskParameterDefinitions: [
            { name: 'Frame', type: 'INT', range: '1-3' },
            { name: 'Layer', type: 'STRING', range: ['beauty'] },
          ],
        },
        script: {
          actions: {
            onRun: {
              command: '/bin/sh',
              args: ['-ec', script, 'task', '{{Task.Param.Frame}}', '{{Param.Out}}'],
            },
          },
        },
      },
    ],
  });
const policy = (...outputs: OutputCheck[]) => ({
  maxRetriesPerTask: 0,
  steps: { Render: { outputs } },
});

it('a frame that is cut off fails, with the file and the reason; whole ones are published', async () => {
  await farm().startAgent();
  const picture = `${media()}/a.png`;
  const script = `if [ $1 = 2 ]; then head -c 400 ${picture}; else cat ${picture}; fi > $2/f_000$1.png`;
  const check = { files: '{{Param.Out}}/f_####.png' };
  const job = await farm().submit(template(script), { policy: policy(check) });
  await farm().jobIn(job.id, ['failed', 'succeeded']);
  const ended = await published(farm(), job.id);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 2, failed: 1 }));
  expect((await taskOf(farm(), job.id, 1)).attempt).toMatchObject({
    failureKind: 'outputs',
    failureClass: 'task',
    message: 'frames/f_0002.png is truncated: ends within chunk IDAT',
  });
  const view = await new StudioView(farm().storage).outputs(job.id);
  expect(Object.keys(view)).toEqual(['Render/frames/f_0001.png', 'Render/frames/f_0003.png']);
});

it('collects files that no parameter has a place for, and only those', async () => {
  await farm().startAgent();
  const script =
    'cd files && mkdir -p cache/a && echo $1 > cache/a/$1.vdb && echo x > cache/$1.tmp; echo > $2/$1';
  const check = { files: 'cache/**/{{Task.Param.Frame}}.vdb', collect: true };
  const job = await farm().submit(template(script), { policy: policy(check) });
  expect((await farm().jobIn(job.id, ['failed', 'succeeded'])).state).toBe('succeeded');
  const paths = (await acceptedOutputs(farm(), job.id)).map(({ path }) => path).sort();
  const frames = [1, 2, 3];
  expect(paths).toEqual([
    ...frames.map((n) => `cache/a/${n}.vdb`),
    ...frames.map((n) => `frames/${n}`),
  ]);
});

it.each<[OutputCheck, 'files' | 'frames', string]>([
  [{ files: 'frames/[a.png' }, 'files', "expected a ']' behind every '['"],
  [{ files: '/frames/a.png' }, 'files', 'expected a relative path'],
  [{ files: 'frames/../a.png' }, 'files', 'expected a relative path'],
  [{ files: 'frames/a\\b.png' }, 'files', 'without control characters or backslashes'],
  [{ files: '{{Param.Oot}}/a.png' }, 'files', 'there is no "Param.Oot"; did you mean "Param.Out"?'],
  [{ files: '{{Param.Notes}}/a' }, 'files', '"Param.Notes" has no place in the job\'s file tree'],
  [{ files: 'frames/{{a' }, 'files', 'is never closed'],
  [{ files: 'cache/*.vdb' }, 'files', 'no OUT or INOUT parameter has a place there'],
  [{ files: 'frames/a.png', frames: 'Frame' }, 'frames', 'expected a place for the frame number'],
  [{ files: 'frames/####.png', frames: 'Fram' }, 'frames', 'did you mean "Frame"?'],
  [{ files: 'frames/####.png', frames: 'Layer' }, 'frames', 'has no INT or CHUNK[INT] parameter'],
])('refuses %o at submission', async (check, field, words) => {
  const body = { template: template('true'), policy: policy({ files: 'frames/*' }, check) };
  const answer = await farm().fetch('POST', '/v1/jobs', body);
  const problem = problemSchema.parse(await answer.json());
  expect(problem).toMatchObject({ status: 400, code: 'invalid_request' });
  expect(problem.errors).toMatchObject([
    {
      path: ['policy', 'steps', 'Render', 'outputs', 1, field],
      message: expect.stringContaining(words),
    },
  ]);
});

it('refuses checks of a step that is not there', async () => {
  const steps = { Rendr: { outputs: [{ files: 'frames/*' }] } };
  const body = { template: template('true'), policy: { steps } };
  const problem = problemSchema.parse(await (await farm().fetch('POST', '/v1/jobs', body)).json());
  expect(problem.errors).toMatchObject([
    { path: ['policy', 'steps', 'Rendr'], message: expect.stringContaining('"Render"') },
  ]);
});

it('two tasks that write one file: the second fails at once, and names the first', async () => {
  await farm().startAgent();
  const script = 'if [ $1 = 2 ]; then echo $1 > $2/own; else echo $1 > $2/same; fi';
  const job = await farm().submit(template(script));
  const ended = await farm().jobIn(job.id, ['failed', 'succeeded']);
  expect(ended.taskCounts).toEqual(counts({ succeeded: 2, failed: 1 }));
  const [first, , third] = await tasksOf(farm(), job.id);
  const [won, lost] = first?.state === 'succeeded' ? [0, third] : [2, first];
  expect(lost).toMatchObject({
    state: 'failed',
    failures: 1,
    attempt: {
      failureKind: 'outputs',
      message: `frames/same was written by Render task ${won} already: two tasks may not write one output`,
    },
  });
  await published(farm(), job.id);
  const view = await new StudioView(farm().storage).outputs(job.id);
  expect(view).toEqual({ 'Render/frames/own': '2\n', 'Render/frames/same': `${won + 1}\n` });
});

it('a task with many files has each of them looked for in storage, and published', async () => {
  await farm().startAgent();
  const script =
    'if [ $1 = 1 ]; then for n in $(seq 20); do echo $n > "$2/ü $n.txt"; done; else echo > $2/$1; fi';
  const job = await farm().submit(template(script));
  expect((await farm().jobIn(job.id, ['failed', 'succeeded'])).state).toBe('succeeded');
  await published(farm(), job.id);
  const view = await new StudioView(farm().storage).outputs(job.id);
  expect(Object.keys(view)).toHaveLength(22);
  expect(view['Render/frames/ü 7.txt']).toBe('7\n');
});
