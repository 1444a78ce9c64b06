import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeBundle } from './support/bundle.ts';
import { runCli, testDir } from './support/run-cli.ts';

const run = 'script: {actions: {onRun: {command: "true"}}}';
const template = `specificationVersion: jobtemplate-2023-09
name: "shot {{Param.Frames}}"
description: A shot.
parameterDefinitions:
  - {name: Frames, type: STRING, description: Frames to render.}
  - {name: Samples, type: INT, default: 64}
jobEnvironments:
  - {name: Tools, variables: {TOOLS: /opt}}
steps:
  - name: Render
    parameterSpace:
      taskParameterDefinitions: [{name: Frame, type: INT, range: "{{Param.Frames}}"}]
    stepEnvironments: [{name: Blender, variables: {HOME: /tmp}}]
    hostRequirements: {amounts: [{name: amount.worker.gpu, min: 1}]}
    ${run}
  - name: Encode
    dependencies: [{dependsOn: Render}]
    ${run}
`;

describe('karst summary', () => {
  it('tells parameters, environments, steps and tasks', async () => {
    const cwd = await testDir();
    await writeFile(path.join(cwd, 'shot.yaml'), template);
    const result = await runCli(['summary', 'shot.yaml', '-p', 'Frames=1-240'], { cwd });
    expect(result.stderr).toBe('');
    expect(result.stdout).toBe(`shot 1-240: 2 steps, 241 tasks
  A shot.

PARAMETER  TYPE    VALUE  DESCRIPTION
Frames     STRING  1-240  Frames to render.
Samples    INT     64

ENVIRONMENT  AROUND       DESCRIPTION
Tools        every step
Blender      step Render

STEP    TASKS  TASK PARAMETERS  AFTER   NEEDS
Render    240  Frame INT        -       amount.worker.gpu >= 1
Encode      1  -                Render  -
`);
    expect(result.code).toBe(0);
  });

  it('tells which parameters need a value, and leaves the tasks open', async () => {
    const cwd = await testDir();
    await writeFile(path.join(cwd, 'shot.yaml'), template);
    const result = await runCli(['summary', 'shot.yaml'], { cwd });
    expect(result.stdout).toMatch(/^Frames +STRING +\(required\)/m);
    expect(result.stdout).toMatch(/^Render +\?/m);
    expect(result.stdout).toContain('Give -p NAME=VALUE for Frames');
    expect(result.code).toBe(0);
  });

  it('is data on request, with a bundle’s own values in it', async () => {
    const cwd = await testDir();
    const values = 'parameterValues: [{name: Frames, value: 1-4}, {name: Samples, value: 8}]';
    await writeBundle(path.join(cwd, 'shot'), template, { 'parameter_values.yaml': values });
    const args = ['summary', 'shot', '-p', 'Frames=1-2', '-o', 'json'];
    const { stdout, code } = await runCli(args, { cwd });
    expect(JSON.parse(stdout)).toMatchObject({
      kind: 'job',
      name: 'shot 1-2',
      tasks: 3,
      parameters: [
        { name: 'Frames', type: 'STRING', required: false, value: '1-2' },
        { name: 'Samples', type: 'INT', required: false, default: '64', value: '8' },
      ],
      environments: [{ name: 'Tools' }, { name: 'Blender', step: 'Render' }],
      steps: [
        { name: 'Render', tasks: 2, dependsOn: [], environments: ['Blender'] },
        { name: 'Encode', tasks: 1, dependsOn: ['Render'], environments: [] },
      ],
    });
    expect(code).toBe(0);
  });

  it('tells of an environment template', async () => {
    const cwd = await testDir();
    const text = `specificationVersion: environment-2023-09
parameterDefinitions: [{name: Version, type: STRING, default: "4.2"}]
environment: {name: Blender, variables: {V: "{{Param.Version}}"}}
`;
    await writeFile(path.join(cwd, 'blender.yaml'), text);
    const result = await runCli(['summary', 'blender.yaml'], { cwd });
    expect(result.stdout).toMatch(/^Blender: an environment template\n\nPARAMETER/);
    expect(result.stdout).toMatch(/^Version +STRING +4\.2$/m);
  });

  it('tells what a recipe file makes', async () => {
    const cwd = await testDir();
    await writeFile(path.join(cwd, 'shot.yaml'), 'render: {scene: cube.blend, frames: 1-24x2}');
    const { stdout, code } = await runCli(['summary', 'shot.yaml', '-o', 'json'], { cwd });
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'job', tasks: 12 });
    expect(code).toBe(0);
  });

  it('refuses values the template does not take, each at its place', async () => {
    const cwd = await testDir();
    const values = 'parameterValues:\n- name: Samples\n  value: many\n';
    await writeBundle(path.join(cwd, 'shot'), template, { 'parameter_values.yaml': values });
    const result = await runCli(['summary', 'shot', '-p', 'Framse=1'], { cwd });
    expect(result.stderr).toContain('shot/parameter_values.yaml:3:10 parameters.Samples: ');
    expect(result.stderr).toContain('parameters.Framse: the template has no parameter "Framse"');
    expect(result.code).toBe(1);
  });
});
