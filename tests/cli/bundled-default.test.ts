import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
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
name: bundled default
parameterDefinitions:
  - { name: Scripts, type: PATH, objectType: DIRECTORY, default: scripts }
  - { name: Out, type: PATH, objectType: DIRECTORY, dataFlow: OUT, default: results }
steps:
  - name: Run
    script:
      actions:
        onRun: { command: cp, args: ["{{Param.Scripts}}/deep/tool.txt", "{{Param.Out}}/copy.txt"] }
`;

it('a default that points into the bundle travels with it, also without a dataFlow', async () => {
  const cwd = await testDir();
  const env = {
    KARST_URL: farm.urls[0] ?? '',
    KARST_API_KEY_FILE: path.join(farm.dir, 'admin.key'),
  };
  await mkdir(path.join(cwd, 'job/scripts/deep'), { recursive: true });
  await writeFile(path.join(cwd, 'job/template.yaml'), template);
  await writeFile(path.join(cwd, 'job/scripts/deep/tool.txt'), 'a tool');
  const args = ['submit', 'job', '--wait', '--download', 'got'];
  const run = await runCli(args, { cwd, env });
  expect(run.stderr).toContain('succeeded');
  expect(run.code).toBe(0);
  expect(await readFile(path.join(cwd, 'got/results/copy.txt'), 'utf8')).toBe('a tool');
});
