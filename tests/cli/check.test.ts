import { execFile } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { templateWith, writeBundle } from './support/bundle.ts';
import { cliEntry, runCli, testDir } from './support/run-cli.ts';

const reportsSchema = z.array(
  z.strictObject({
    file: z.string(),
    ok: z.boolean(),
    errors: z.array(
      z.strictObject({
        path: z.array(z.union([z.string(), z.int()])),
        line: z.int().optional(),
        column: z.int().optional(),
        message: z.string(),
      }),
    ),
  }),
);

const bad = `specificationVersion: jobtemplate-2023-09
name: "shot {{Param.Frames}}"
stpes: []
steps:
  - name: Render
    script: {actions: {onRun: {command: 5}}}
`;

const environment = `specificationVersion: environment-2023-09
environment:
  name: Tools
  variables: {TOOLS: /opt/tools}
`;

async function check(cwd: string, ...args: string[]) {
  const result = await runCli(['check', ...args, '-o', 'json'], { cwd });
  expect(result.stderr).toBe('');
  return { code: result.code, reports: reportsSchema.parse(JSON.parse(result.stdout)) };
}

/** What `karst check` says of text on standard input. */
function checkStdin(cwd: string, text: string): Promise<string> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [cliEntry, 'check', '-'], { cwd }, (_, stdout) =>
      resolve(stdout),
    );
    child.stdin?.end(text);
  });
}

describe('karst check', () => {
  it('shows every problem like a compiler, with the line and a caret', async () => {
    const cwd = await testDir();
    await writeFile(path.join(cwd, 'shot.yaml'), bad);
    const result = await runCli(['check', 'shot.yaml'], { cwd });
    expect(result.stdout.split('\n')).toEqual([
      expect.stringMatching(/^shot\.yaml:2:7 name: .*there is no job parameter "Frames"/),
      '     2 | name: "shot {{Param.Frames}}"',
      '       |       ^',
      expect.stringMatching(/^shot\.yaml:3:1 stpes: unknown key "stpes".*did you mean "steps"\?/),
      '     3 | stpes: []',
      '       | ^',
      expect.stringMatching(/^shot\.yaml:6:41 steps\[0\]\.script\.actions\.onRun\.command: /),
      '     6 |     script: {actions: {onRun: {command: 5}}}',
      `       | ${' '.repeat(40)}^`,
      '',
    ]);
    expect(result.stderr).toBe('3 problems in 1 of 1 file.\n');
    expect(result.code).toBe(1);
  });

  it('answers for each file as data, in the order given', async () => {
    const cwd = await testDir();
    await writeFile(path.join(cwd, 'good.json'), templateWith());
    await writeFile(path.join(cwd, 'bad.yaml'), bad);
    await writeFile(path.join(cwd, 'tools.yaml'), environment);
    const { code, reports } = await check(cwd, 'tools.yaml', 'bad.yaml', 'good.json', 'bad.yaml');
    expect(reports.map(({ file, ok }) => [file, ok])).toEqual([
      ['tools.yaml', true],
      ['bad.yaml', false],
      ['good.json', true],
      ['bad.yaml', false],
    ]);
    expect(reports[1]?.errors[2]).toMatchObject({
      path: ['steps', 0, 'script', 'actions', 'onRun', 'command'],
      line: 6,
      column: 41,
    });
    expect(code).toBe(1);
  });

  it('exits with 0 when all are valid', async () => {
    const cwd = await testDir();
    await writeFile(path.join(cwd, 'good.json'), templateWith());
    const result = await runCli(['check', 'good.json'], { cwd });
    expect(result).toEqual({ code: 0, stdout: '', stderr: '1 file is valid.\n' });
  });

  it('reports what can’t be read and goes on', async () => {
    const cwd = await testDir();
    await mkdir(path.join(cwd, 'empty'));
    await writeFile(path.join(cwd, 'good.json'), templateWith());
    await writeFile(path.join(cwd, 'image.yaml'), Buffer.from([0xff, 0xd8, 0xff]));
    await writeFile(path.join(cwd, 'huge.yaml'), Buffer.alloc(1024 * 1024 + 1, 32));
    const targets = [
      'none.yaml',
      'empty',
      'image.yaml',
      'huge.yaml',
      '/dev/zero',
      'good.json/x',
      'good.json',
    ];
    const { code, reports } = await check(cwd, ...targets);
    expect(reports.map(({ errors }) => errors[0]?.message ?? 'ok')).toEqual([
      'does not exist',
      'has no template.yaml or template.json',
      'is not a text file (its bytes are not UTF-8)',
      'is too long: more than 1048576 bytes (1 MiB)',
      'is too long: more than 1048576 bytes (1 MiB)',
      "can't be read (ENOTDIR)",
      'ok',
    ]);
    expect(code).toBe(1);
  });

  it('reads standard input', async () => {
    const cwd = await testDir();
    expect(await checkStdin(cwd, templateWith())).toBe('');
    expect(await checkStdin(cwd, bad)).toContain('<stdin>:3:1 stpes: unknown key');
  });

  it('reads JSON strictly where the name says JSON', async () => {
    const cwd = await testDir();
    await writeFile(path.join(cwd, 'shot.json'), 'name: yaml');
    const { reports } = await check(cwd, 'shot.json');
    expect(reports[0]?.errors[0]).toMatchObject({ line: 1, column: 1 });
    expect(reports[0]?.errors[0]?.message).toContain('not valid JSON');
  });

  it('checks recipe files as recipes, with the studio’s own beside the built-in ones', async () => {
    const cwd = await testDir();
    const own = `recipe: {name: greet, fields: {whom: Name}}
specificationVersion: jobtemplate-2023-09
name: hello
parameterDefinitions: [{name: Name, type: STRING, default: farm}]
steps: [{name: A, script: {actions: {onRun: {command: echo, args: ["{{Param.Name}}"]}}}}]
`;
    await mkdir(path.join(cwd, 'studio'));
    await writeFile(path.join(cwd, 'studio/greet.yaml'), own);
    await writeFile(path.join(cwd, 'greet.yaml'), 'greet: {whom: you}');
    await writeFile(path.join(cwd, 'shot.yaml'), 'render: {scene: a.blend, frmaes: 1-4}');
    await writeFile(path.join(cwd, 'good.yaml'), 'render: {scene: a.blend, frames: 1-4}');
    const targets = ['studio/greet.yaml', 'greet.yaml', 'shot.yaml', 'good.yaml'];
    const { reports } = await check(cwd, ...targets, '--recipes', 'studio');
    expect(reports.map(({ ok }) => ok)).toEqual([true, true, false, true]);
    expect(reports[2]?.errors[0]).toMatchObject({ path: ['render', 'frmaes'], line: 1 });
  });

  it('keeps the caret below its column in long, wide and oddly ended lines', async () => {
    const cwd = await testDir();
    const long = `${' '.repeat(200)}stpes: []`;
    await writeFile(path.join(cwd, 'a.yaml'), `\uFEFFname: "🌋🌋" \r\n${'"🌋": 1'}\r\n`);
    await writeFile(path.join(cwd, 'b.yaml'), `{name: x,${long}}`);
    const wide = await runCli(['check', 'a.yaml'], { cwd });
    expect(wide.stdout).toContain('     2 | "🌋": 1\n       | ^\n');
    const { stdout } = await runCli(['check', 'b.yaml'], { cwd });
    const lines = stdout.split('\n');
    const at = lines.findIndex((line) => line.includes('unknown key "stpes"'));
    const [shown = '', caret = ''] = lines.slice(at + 1, at + 3);
    expect(shown.slice(caret.indexOf('^'))).toMatch(/^stpes/);
    expect(shown.length).toBeLessThan(200);
  });
});

describe('karst check of a bundle', () => {
  const values = (...list: unknown[]) => JSON.stringify({ parameterValues: list });
  const template = templateWith([{ name: 'Scene', objectType: 'FILE', dataFlow: 'IN' }]);

  it('checks each of its files, and its values against its template', async () => {
    const cwd = await testDir();
    await writeBundle(path.join(cwd, 'shot'), template, {
      'parameter_values.json': values({ name: 'Scnee', value: 'a' }, { name: 'Scene', value: 5 }),
      'asset_references.yaml': 'assetReferences:\n  inputs: {files: []}\n',
    });
    const { code, reports } = await check(cwd, 'shot');
    expect(reports.map(({ file }) => file)).toEqual([
      'shot/template.yaml',
      'shot/parameter_values.json',
      'shot/asset_references.yaml',
    ]);
    expect(reports.map(({ ok }) => ok)).toEqual([true, false, false]);
    const [, ofValues, ofAssets] = reports;
    expect(ofValues?.errors.map(({ message }) => message)).toEqual([
      'the template has no parameter "Scnee"; did you mean "Scene"? (expected Scene)',
      expect.stringContaining('found the integer 5'),
    ]);
    expect(ofValues?.errors.map(({ line }) => line)).toEqual([1, 1]);
    expect(ofAssets?.errors[0]).toMatchObject({ line: 2, column: 12 });
    expect(code).toBe(1);
  });

  it('does not ask for values that may be given when it is submitted', async () => {
    const cwd = await testDir();
    await writeBundle(path.join(cwd, 'shot'), template, { 'parameter_values.yaml': '' });
    expect((await check(cwd, 'shot')).code).toBe(0);
  });

  it('knows the files of a bundle when they are named one by one', async () => {
    const cwd = await testDir();
    await writeBundle(path.join(cwd, 'shot'), template, {
      'parameter_values.json': values({ name: 'Scene', value: 'a' }),
      'asset_references.json': '{"assetReferences": {}}',
    });
    const files = ['template.yaml', 'parameter_values.json', 'asset_references.json'];
    const { code, reports } = await check(cwd, ...files.map((name) => path.join('shot', name)));
    expect(reports).toHaveLength(3);
    expect(code).toBe(0);
  });

  it('refuses two of a kind, hooks, other endings and links that leave', async () => {
    const cwd = await testDir();
    await writeBundle(path.join(cwd, 'shot'), template, {
      'parameter_values.json': '{}',
      'parameter_values.yaml': '',
      'asset_references.yml': '',
      'hooks.yaml': '',
    });
    await writeFile(path.join(cwd, 'secret'), '{}');
    await symlink('../secret', path.join(cwd, 'shot', 'asset_references.yaml'));
    const { reports } = await check(cwd, 'shot');
    const told = reports.flatMap(({ file, errors }) =>
      errors.map(({ message }) => `${file}: ${message}`),
    );
    expect(told.toSorted()).toEqual([
      'shot/asset_references.yaml: is a symbolic link that leads out of the bundle',
      'shot/asset_references.yml: expected asset_references.yaml: other tools look for no .yml',
      expect.stringMatching(/^shot\/hooks\.yaml: hooks, .* are not supported$/),
      'shot: has both parameter_values.yaml and parameter_values.json; expected one of them',
    ]);
  });
});
