import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { sha256Of, uploadAsset } from './support/assets.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { acceptedOutputs, counts, published, taskOf } from './support/job-state.ts';
import { StudioView } from './support/studio-view.ts';

const farm = farmForFile({ livenessMs: 5000 });

const tool = Buffer.from('#!/bin/sh\ntr a-z A-Z\n');
const texture = Buffer.from('marble\n');

const path = (name: string, dataFlow: 'IN' | 'OUT', objectType: 'FILE' | 'DIRECTORY') => ({
  name,
  type: 'PATH',
  objectType,
  dataFlow,
  default: name.toLowerCase(),
});
const action = (script: string, ...args: string[]) => ({
  actions: { onRun: { command: '/bin/sh', args: ['-ec', script, 'task', ...args] } },
});
const frames = { taskParameterDefinitions: [{ name: 'N', type: 'INT', range: '0-2' }] };

/** Simulate writes caches from the inputs; Render reads what Simulate wrote, at the same place. */
const template = JSON.stringify({
  specificationVersion: 'jobtemplate-2023-09',
  name: 'two steps and their files',
  parameterDefinitions: [
    path('Tool', 'IN', 'FILE'),
    path('Textures', 'IN', 'DIRECTORY'),
    path('Stage', 'OUT', 'DIRECTORY'),
  ],
  steps: [
    {
      name: 'Simulate',
      parameterSpace: frames,
      script: action(
        '"$1" < "$2/stone/floor.txt" > "$3/cache-$4.txt"; echo "$4" >> "$3/cache-$4.txt"',
        '{{Param.Tool}}',
        '{{Param.Textures}}',
        '{{Param.Stage}}',
        '{{Task.Param.N}}',
      ),
    },
    {
      name: 'Render',
      dependencies: [{ dependsOn: 'Simulate' }],
      script: action(
        'mkdir "$1/final"; cat "$1"/cache-*.txt > "$1/final/film.txt"',
        '{{Param.Stage}}',
      ),
    },
  ],
});

async function submit() {
  const inputs = [
    { ...(await uploadAsset(farm(), tool, 'tool')), executable: true },
    await uploadAsset(farm(), texture, 'textures/stone/floor.txt'),
  ];
  return await farm().submit(template, { inputs });
}

it('brings inputs to tasks as they were uploaded, and outputs of one step to the next', async () => {
  await farm().startAgent({ slots: 2 });
  const job = await submit();
  await farm().jobIn(job.id, ['succeeded', 'failed']);
  const ended = await published(farm(), job.id);
  expect(ended).toMatchObject({ state: 'succeeded', taskCounts: counts({ succeeded: 4 }) });
  const caches = [0, 1, 2].map((n) => `MARBLE\n${n}\n`);
  const film = caches.join('');
  expect(await new StudioView(farm().storage).outputs(job.id)).toEqual({
    'Simulate/stage/cache-0.txt': caches[0],
    'Simulate/stage/cache-1.txt': caches[1],
    'Simulate/stage/cache-2.txt': caches[2],
    'Render/stage/final/film.txt': film,
  });

  const outputs = await acceptedOutputs(farm(), job.id);
  expect(outputs).toHaveLength(4);
  const last = outputs.find(({ step }) => step === 'Render');
  const bytes = Buffer.from(await (await fetch(last?.url ?? '')).arrayBuffer());
  expect(bytes.toString()).toBe(film);
  expect(last).toMatchObject({
    path: 'stage/final/film.txt',
    sizeBytes: film.length,
    sha256: createHash('sha256').update(film).digest('hex'),
  });
});

it('gives no task an input that storage garbled, and charges the task nothing for it', async () => {
  const job = await submit();
  const view = new StudioView(farm().storage);
  const key = `studios/default/assets/${sha256Of(texture)}`;
  await view.put(key, Buffer.from('marbel\n'));
  await farm().startAgent();
  const failed = await eventually('an attempt fails for its inputs', async () => {
    const { attempt } = await taskOf(farm(), job.id, 0, 'Simulate');
    return attempt?.outcome === 'failed' ? attempt : undefined;
  });
  expect(failed).toMatchObject({ failureKind: 'inputs', failureClass: 'farm' });
  await view.put(key, texture);
  const ended = await farm().jobIn(job.id, ['succeeded', 'failed']);
  expect(ended.state).toBe('succeeded');
  expect((await taskOf(farm(), job.id, 0, 'Simulate')).failures).toBe(0);
});

it('sends a large output in parts that storage has checked', async () => {
  const sizeBytes = 130 * 1024 * 1024;
  await farm().startAgent();
  const job = await farm().submit(
    JSON.stringify({
      specificationVersion: 'jobtemplate-2023-09',
      name: 'a checkpoint',
      parameterDefinitions: [path('Out', 'OUT', 'DIRECTORY')],
      steps: [
        {
          name: 'Train',
          script: action(
            `head -c ${sizeBytes - 3} /dev/urandom > "$1/model.bin"; echo ok >> "$1/model.bin"`,
            '{{Param.Out}}',
          ),
        },
      ],
    }),
  );
  await farm().jobIn(job.id, ['succeeded', 'failed']);
  await published(farm(), job.id);
  const [output] = await acceptedOutputs(farm(), job.id);
  const response = await fetch(output?.url ?? '');
  const content = Buffer.from(await response.arrayBuffer());
  expect(content).toHaveLength(sizeBytes);
  expect(createHash('sha256').update(content).digest('hex')).toBe(output?.sha256);
  const key = `studios/default/outputs/${job.id}/Train/out/model.bin`;
  expect(await new StudioView(farm().storage).checksum(key)).toMatch(/^.{8}-3$/);
});
