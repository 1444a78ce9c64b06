import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Farm } from '../support/farm.ts';
import { runCli, testDir } from './support/run-cli.ts';

let farm: Farm;
beforeAll(async () => {
  farm = await Farm.start();
  await farm.startAgent();
});
afterAll(() => farm.stop());

const template = `
specificationVersion: jobtemplate-2023-09
name: a submitter's bundle
parameterDefinitions:
  - { name: Scene, type: PATH, objectType: FILE, dataFlow: IN }
steps:
  - name: Run
    script:
      actions:
        onRun:
          command: sh
          args:
            - -c
            - 'cd "$(dirname "$1")" && cat shot.txt ../tex/wood.txt > ../renders/out.txt'
            - render
            - "{{Param.Scene}}"
`;

it('a bundle of a submitter starts held, finds its files beside each other, and its outputs are kept', async () => {
  const cwd = await testDir();
  const env = {
    KARST_URL: farm.urls[0] ?? '',
    KARST_API_KEY_FILE: path.join(farm.dir, 'admin.key'),
  };
  const project = path.join(cwd, 'proj');
  for (const dir of ['proj/scenes', 'proj/tex', 'bundle']) {
    await mkdir(path.join(cwd, dir), { recursive: true });
  }
  await writeFile(path.join(project, 'scenes/shot.txt'), 'scene ');
  await writeFile(path.join(project, 'tex/wood.txt'), 'wood');
  await writeFile(path.join(cwd, 'bundle/template.yaml'), template);
  const values = [
    { name: 'Scene', value: path.join(project, 'scenes/shot.txt') },
    { name: 'deadline:priority', value: 30 },
    { name: 'deadline:targetTaskRunStatus', value: 'SUSPENDED' },
  ];
  const assetReferences = {
    inputs: { filenames: [path.join(project, 'tex/wood.txt')], directories: [] },
    outputs: { directories: [path.join(project, 'renders')] },
  };
  const write = (name: string, value: unknown) =>
    writeFile(path.join(cwd, 'bundle', name), JSON.stringify(value));
  await write('parameter_values.json', { parameterValues: values });
  await write('asset_references.json', { assetReferences });

  const submitted = await runCli(['submit', 'bundle'], { cwd, env });
  expect(submitted.stderr).toContain('paused: karst resume');
  const jobId = jobIdSchema.parse(submitted.stdout.trim());
  const held = await farm.api().call(routes.getJob, { params: { jobId } });
  expect(held).toMatchObject({ state: 'paused', policy: { priority: 30 } });
  expect(held.taskCounts.waiting).toBe(1);

  expect((await runCli(['resume', jobId], { cwd, env })).code).toBe(0);
  const waited = await runCli(['wait', jobId], { cwd, env });
  expect(waited.stderr).toContain('succeeded');
  expect((await runCli(['download', jobId, '--dir', 'got'], { cwd, env })).code).toBe(0);
  expect(await readFile(path.join(cwd, 'got/proj/renders/out.txt'), 'utf8')).toBe('scene wood');
});
