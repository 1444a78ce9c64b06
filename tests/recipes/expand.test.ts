import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runCli } from '../cli/support/run-cli.ts';
import { testDir } from './support/scenes.ts';

const examples = path.resolve(import.meta.dirname, '../../examples/recipes');
const recipes = (await readdir(examples)).filter((name) => name.endsWith('.yaml'));

describe('karst expand', () => {
  it('makes templates of all examples that karst check accepts', async () => {
    const cwd = await testDir();
    for (const name of recipes) {
      const args = ['expand', path.join(examples, name)];
      const own = name === 'turntable.yaml' ? ['--recipes', path.join(examples, 'studio')] : [];
      const expanded = await runCli([...args, ...own], { cwd });
      expect(expanded.stderr).not.toContain('karst:');
      expect(expanded.code).toBe(0);
      // For people: scripts line by line, no references.
      expect(expanded.stdout).not.toMatch(/[&*]a1\b|data: >/);
      await writeFile(path.join(cwd, name), expanded.stdout);
    }
    const checked = await runCli(['check', ...recipes], { cwd });
    expect(checked.stderr).toContain(`${recipes.length} files are valid.`);
  });

  it('prints the same template as JSON', async () => {
    const cwd = await testDir();
    const [yaml, json] = await Promise.all([
      runCli(['expand', path.join(examples, 'animation.yaml')], { cwd }),
      runCli(['expand', path.join(examples, 'animation.yaml'), '-o', 'json'], { cwd }),
    ]);
    expect(JSON.parse(json.stdout)).toEqual(parse(yaml.stdout));
    expect(yaml.stdout).toContain('# Submit it with: --priority 60 --policy \'{"steps":{');
    expect(yaml.stdout).toContain('"Movie":{"outputs":[{"files":"{{Param.OutputDir}}/cube.mp4"}]}');
    expect(json.stderr).toContain('Submit it with: --priority 60');
  });

  it('writes a bundle that stands for itself, and overwrites none', async () => {
    const cwd = await testDir();
    const args = ['expand', path.join(examples, 'animation.yaml'), '--bundle', 'made'];
    expect((await runCli(args, { cwd })).code).toBe(0);
    const film = { outputs: [{ files: '{{Param.OutputDir}}/cube.mp4' }] };
    const values = parse(await readFile(path.join(cwd, 'made/parameter_values.yaml'), 'utf8'));
    expect(values).toEqual({
      parameterValues: [
        { name: 'Scene', value: path.join(examples, 'cube.blend') },
        { name: 'deadline:priority', value: 60 },
        { name: 'karst:policy', value: { steps: expect.objectContaining({ Movie: film }) } },
      ],
    });
    expect((await runCli(['check', 'made'], { cwd })).code).toBe(0);
    const again = await runCli(args, { cwd });
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('EEXIST');
  });

  it('tells which steps are held, beside a template that is as strict as ever', async () => {
    const cwd = await testDir();
    const text = (preview: string) =>
      `render: {scene: /a.blend, frames: 1-9, preview: ${preview}}\n`;
    await writeFile(path.join(cwd, 'hold.yaml'), text('hold'));
    await writeFile(path.join(cwd, 'plain.yaml'), `name: hold\n${text('true')}`);
    const held = await runCli(['expand', 'hold.yaml', '-o', 'json'], { cwd });
    expect(held.stderr).toContain('Submit it with: -p Scene=/a.blend --hold Render --policy ');
    const plain = await runCli(['expand', 'plain.yaml', '-o', 'json'], { cwd });
    expect({ ...JSON.parse(held.stdout), name: '' }).toEqual({
      ...JSON.parse(plain.stdout),
      name: '',
    });
    expect((await runCli(['expand', 'hold.yaml', '--bundle', 'made'], { cwd })).code).toBe(0);
    expect(parse(await readFile(path.join(cwd, 'made/parameter_values.yaml'), 'utf8'))).toEqual({
      parameterValues: [
        { name: 'Scene', value: '/a.blend' },
        { name: 'karst:hold', value: ['Render'] },
        { name: 'karst:policy', value: expect.anything() },
      ],
    });
    expect((await runCli(['check', 'made'], { cwd })).code).toBe(0);
    await writeFile(
      path.join(cwd, 'made/parameter_values.yaml'),
      'parameterValues:\n  - { name: "karst:hold", value: [Rendr] }\n',
    );
    const wrong = await runCli(['check', 'made'], { cwd });
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toContain('made/parameter_values.yaml:2:35');
    expect(wrong.stdout).toContain('the job has no step "Rendr"; did you mean "Render"?');
  });

  it('tells what is wrong by line and column, and what could be misread', async () => {
    const cwd = await testDir();
    await writeFile(path.join(cwd, 'bad.yaml'), 'render:\n  scene: a.blend\n  sampels: 3\n');
    const bad = await runCli(['expand', 'bad.yaml'], { cwd });
    expect(bad.code).toBe(1);
    expect(bad.stdout).toBe('');
    expect(bad.stderr).toContain('bad.yaml:3:3 render.sampels: unknown key "sampels"');
    await writeFile(path.join(cwd, 'odd.yaml'), 'render: {scene: a.blend, frames: "1-100:10"}');
    const odd = await runCli(['expand', 'odd.yaml'], { cwd });
    expect(odd.code).toBe(0);
    expect(odd.stderr).toContain('warning: odd.yaml:1:34 render.frames: "1-100:10" is read as');
    expect((await runCli(['expand', 'none.yaml'], { cwd })).code).toBe(3);
    const folder = await runCli(['expand', 'odd.yaml', '--recipes', 'none'], { cwd });
    expect(folder.code).toBe(3);
    expect(folder.stderr).toContain("can't be read as a folder of recipes (ENOENT)");
  });

  it('refuses a folder of recipes with one that is wrong, or two of one name', async () => {
    const cwd = await testDir();
    const own = await readFile(path.join(examples, 'studio/turntable.yaml'), 'utf8');
    await writeFile(path.join(cwd, 'a.yaml'), own);
    await writeFile(path.join(cwd, 'b.yaml'), own);
    await writeFile(path.join(cwd, 'c.yaml'), 'steps: []');
    const job = path.join(examples, 'turntable.yaml');
    const result = await runCli(['expand', job, '--recipes', cwd], { cwd });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('there is a recipe "turntable"');
    expect(result.stderr).toContain(
      'c.yaml:1:1: a recipe file is a job template with a "recipe" key',
    );
  });
});
