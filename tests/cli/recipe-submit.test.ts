import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { wholePolicy } from '../support/whole-policy.ts';
import { FixtureServer, sendProblem } from './support/fixture-server.ts';
import { runCli, testDir } from './support/run-cli.ts';

const stampRecipe = `
recipe: { name: stamp, fields: { note: Note, frames: { parameter: Frames, frames: true } } }
specificationVersion: jobtemplate-2023-09
name: stamp
parameterDefinitions:
  - { name: Note, type: PATH, objectType: FILE, dataFlow: IN }
  - { name: Ink, type: PATH, objectType: FILE, dataFlow: IN, default: ink.txt }
  - { name: Copies, type: INT, default: 1, maxValue: 9 }
  - { name: Frames, type: STRING, default: "1" }
steps:
  - name: Stamp
    parameterSpace: { taskParameterDefinitions: [{ name: Frame, type: INT, range: "{{Param.Frames}}" }] }
    script:
      actions:
        onRun: { command: cat, args: ["{{Param.Note}}", "{{Param.Ink}}"] }
`;

/** A studio's folder of recipes, and a shot that uses it. */
async function start() {
  const dir = await testDir();
  const cwd = path.join(dir, 'shot');
  await mkdir(cwd);
  await mkdir(path.join(dir, 'studio'));
  await writeFile(path.join(dir, 'studio', 'stamp.yaml'), stampRecipe);
  await writeFile(path.join(dir, 'studio', 'ink.txt'), 'blue ink\n');
  await writeFile(path.join(cwd, 'note.txt'), 'a note\n');
  const server = await FixtureServer.start();
  // The scenes here are none: what karst submit has Blender tell of real ones is in scan.test.ts.
  const karst = (...args: string[]) =>
    runCli(args[0] === 'submit' ? [...args, '--no-scan'] : args, { cwd, env: server.env });
  const submission = () => {
    const [post] = server.seen('POST', '/v1/jobs');
    return post === undefined ? undefined : JSON.parse(post.body.toString());
  };
  const write = (name: string, text: string) => writeFile(path.join(cwd, name), text);
  return { cwd, server, karst, submission, write };
}

describe('karst submit of a recipe file', () => {
  it('submits what karst expand prints, with the files it names and its policy', async () => {
    const { server, karst, submission, write, cwd } = await start();
    await write(
      'shot.yaml',
      'render: {scene: a/b.blend, frames: "1-9:4"}\npolicy: {priority: 70, maxFailedTasks: 2}',
    );
    await mkdir(path.join(cwd, 'a'));
    await write('a/b.blend', 'a scene');
    const submitted = await karst('submit', 'shot.yaml', '--priority', '90', '-p', 'Threads=2');
    expect(submitted.stderr).toContain('parameters.Threads');
    const good = await karst('submit', 'shot.yaml', '--priority', '90');
    expect(good.code).toBe(0);
    expect(good.stderr).toContain('warning: shot.yaml:1:36 render.frames: "1-9:4" is read as');
    expect(good.stderr).toContain('Uploaded 1 file');
    const expanded = await karst('expand', 'shot.yaml');
    expect(submission()).toMatchObject({
      template: parse(expanded.stdout),
      parameters: {},
      policy: { priority: 90, maxFailedTasks: 2 },
      locations: { Scene: 'a/b.blend', OutputDir: 'frames' },
      inputs: [{ path: 'a/b.blend' }],
    });
    expect([...server.assets.values()].map(String)).toEqual(['a scene']);
  });

  it('sends the recipe’s whole policy; --policy goes before it, and flags before that', async () => {
    const { karst, submission, write } = await start();
    const recipe = 'render: {scene: a.blend}';
    const { steps: _, failureRules: __, ...policy } = wholePolicy;
    const rules = [{ name: 'r', exitCodes: [3], as: 'fatal' }];
    await write('film.yaml', `${recipe}\npolicy: ${JSON.stringify(policy)}\n`);
    await write('a.blend', 'a scene');
    await write(
      'mine.yaml',
      `failureRules: ${JSON.stringify(rules)}\nmaxNodes: 8\nplacement: {sites: [attic]}\npriority: 3\n`,
    );
    const flags = ['--max-tasks', 'none', '--pool', 'none', '--region', 'us', '--priority', '4'];
    const sent = await karst('submit', 'film.yaml', '--policy', 'mine.yaml', ...flags);
    expect(sent.stderr).toContain('Submitted');
    const { pool: ___, ...placement } = wholePolicy.placement ?? {};
    const { maxTasks: ____, ...rest } = policy;
    expect(submission().policy).toEqual({
      ...rest,
      maxNodes: 8,
      failureRules: rules,
      placement: { ...placement, regions: ['us'], sites: ['attic'] },
      priority: 4,
      steps: { Render: { outputs: [{ files: '{{Param.OutputDir}}/a.png' }] } },
    });
  });

  it('is told by karst expand as flags or as a bundle with the same policy', async () => {
    const { server, karst, submission, write } = await start();
    const recipe = 'render: {scene: a.blend, frames: 1-24, preview: true}';
    await write('shot.yaml', `${recipe}\npolicy: ${JSON.stringify(wholePolicy)}\n`);
    await write('a.blend', 'a scene');
    const expanded = await karst('expand', 'shot.yaml');
    await write('template.yaml', expanded.stdout);
    const [, flags = ''] = /^Submit it with: (.+)$/m.exec(expanded.stderr) ?? [];
    const words = [...flags.matchAll(/'([^']*)'|(\S+)/g)].map(
      ([, quoted, word]) => quoted ?? word ?? '',
    );
    await karst('submit', 'template.yaml', ...words);
    expect(submission().policy).toEqual(wholePolicy);
    server.requests.length = 0;
    expect((await karst('expand', 'shot.yaml', '--bundle', 'made')).stderr).toBe('');
    expect((await karst('check', 'made')).code).toBe(0);
    await karst('submit', 'made');
    expect(submission().policy).toEqual(wholePolicy);
  });

  it('takes scenes from outside its folder and values that the person gives', async () => {
    const { karst, submission, write, cwd } = await start();
    await write('shot.yaml', 'render: {scene: ../b.blend, frames: 1-9}');
    await writeFile(path.join(cwd, '../b.blend'), 'b');
    expect((await karst('submit', 'shot.yaml', '-p', 'Frames=3')).code).toBe(0);
    expect(submission()).toMatchObject({
      parameters: { Scene: path.join(path.dirname(cwd), 'b.blend'), Frames: '3' },
      locations: { Scene: 'b.blend' },
      inputs: [{ path: 'b.blend' }],
    });
  });

  it('knows recipes of the studio’s own, whose files travel too', async () => {
    const { karst, submission, write } = await start();
    await write('job.yaml', 'stamp: {note: note.txt, frames: 1-9x4}');
    const result = await karst('submit', 'job.yaml', '--recipes', '../studio');
    expect(result.stderr).toContain('Uploaded 2 files');
    expect(result.code).toBe(0);
    expect(submission().inputs.map(({ path }: { path: string }) => path)).toEqual([
      'ink.txt',
      'note.txt',
    ]);
    expect(submission().template.parameterDefinitions[3]).toMatchObject({ default: '1-9:4' });
  });

  it('tells what is wrong at the lines of the recipe file', async () => {
    const { server, karst, write } = await start();
    await write('bad.yaml', 'name: x\nrender:\n  scene: a.blend\n  sampels: 3\n');
    const bad = await karst('submit', 'bad.yaml');
    expect(bad.code).toBe(1);
    expect(bad.stderr).toContain('bad.yaml:4:3 render.sampels: unknown key "sampels"');

    await write('job.yaml', 'name: x\nstamp: {note: note.txt}\n');
    const many = await karst('submit', 'job.yaml', '--recipes', '../studio', '-p', 'Copies=12');
    expect(many.code).toBe(1);
    expect(many.stderr).toMatch(/^ {2}parameters\.Copies: /m);

    const unknown = await karst('submit', 'job.yaml');
    expect(unknown.stderr).toContain('job.yaml:2:1 stamp: unknown key "stamp" in a job template');
    expect(unknown.stderr).toContain('--recipes names a folder');

    await write('gone.yaml', 'render: {scene: gone.blend}');
    const gone = await karst('submit', 'gone.yaml');
    expect(gone.stderr).toContain('gone.blend does not exist');
    expect(server.seen('POST', '/v1/jobs')).toEqual([]);

    // What only the farm knows comes back at the recipe's own line as well.
    server.answers.set('POST /v1/jobs', (_, response) => {
      const errors = [{ path: ['template', 'steps', 0], message: 'expected fewer tasks' }];
      sendProblem(response, 'invalid_template', { errors });
    });
    const refused = await karst('submit', 'job.yaml', '--recipes', '../studio');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      'job.yaml:2:8 stamp: the compiled template is refused: expected fewer tasks',
    );
  });
});

describe('karst run of a recipe file', () => {
  it('runs its tasks here', async () => {
    const { karst, write } = await start();
    await write('job.yaml', 'stamp: {note: note.txt, frames: 1-2}');
    const run = await karst('run', 'job.yaml', '--recipes', '../studio');
    expect(run.stderr).not.toContain('karst:');
    expect(run.stdout.match(/a note\n(.*\n)?.*blue ink/g)).toHaveLength(2);
    expect(run.code).toBe(0);
    const summary = await karst('summary', 'job.yaml', '--recipes', '../studio', '-o', 'json');
    expect(JSON.parse(summary.stdout)).toMatchObject({ name: 'stamp', tasks: 2 });
  });
});
