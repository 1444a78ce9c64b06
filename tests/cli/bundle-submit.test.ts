import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { templateWith, writeBundle } from './support/bundle.ts';
import { FixtureServer, JOB_ID, sendJson, someJob } from './support/fixture-server.ts';
import { runCli, testDir } from './support/run-cli.ts';

async function start() {
  const cwd = await testDir();
  const server = await FixtureServer.start();
  const submit = (...args: string[]) => runCli(['submit', ...args], { cwd, env: server.env });
  const submission = () => {
    const [post] = server.seen('POST', '/v1/jobs');
    return post === undefined ? undefined : JSON.parse(post.body.toString());
  };
  const inputPaths = () => submission().inputs.map((input: { path: string }) => input.path);
  return { cwd, server, submit, submission, inputPaths };
}

const values = (entries: Record<string, unknown>) =>
  JSON.stringify({
    parameterValues: Object.entries(entries).map(([name, value]) => ({ name, value })),
  });
const references = (parts: Record<string, unknown>) => JSON.stringify({ assetReferences: parts });
const scene = { name: 'Scene', objectType: 'FILE', dataFlow: 'IN' } as const;

/** Files by path below `dir`. */
async function writeFiles(dir: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(dir, name)), { recursive: true });
    await writeFile(path.join(dir, name), text);
  }
}

describe('a bundle’s parameter_values', () => {
  it('are the job’s, where -p says nothing else', async () => {
    const { cwd, submit, submission } = await start();
    const parameters = [scene, { name: 'Other', objectType: 'FILE', dataFlow: 'IN' } as const];
    await writeBundle(path.join(cwd, 'shot'), templateWith(parameters), {
      'parameter_values.yaml': values({ Scene: 'a.blend', Other: 'b.blend' }),
      'a.blend': 'a',
      'b.blend': 'b',
    });
    await writeFile(path.join(cwd, 'mine.blend'), 'mine');
    const result = await submit('shot', '-p', 'Other=mine.blend');
    expect(result.code).toBe(0);
    expect(submission()).toMatchObject({
      parameters: { Scene: 'a.blend', Other: 'mine.blend' },
      locations: { Scene: 'a.blend', Other: 'mine.blend' },
    });
  });

  it('set the policy, unless a flag does, and hold the job', async () => {
    const { cwd, server, submit, submission } = await start();
    await writeBundle(cwd, templateWith(), {
      'parameter_values.json': values({
        'deadline:priority': 70,
        'deadline:maxRetriesPerTask': 5,
        'deadline:maxFailedTasksCount': 20,
        'deadline:targetTaskRunStatus': 'SUSPENDED',
        'other:pool': 'cpu',
      }),
    });
    server.answers.set('POST /v1/jobs', (_, response) =>
      sendJson(response, 201, someJob({ state: 'paused' })),
    );
    const result = await submit('.', '--priority', '90');
    expect(submission()).toMatchObject({
      policy: { priority: 90, maxRetriesPerTask: 5, maxFailedTasks: 20 },
      paused: true,
    });
    expect(result.stderr).toContain(`paused: karst resume ${JOB_ID} lets it run`);
    expect(result.stderr).toContain('other:pool');
    expect(result.stdout).toBe(`${JOB_ID}\n`);
  });

  it('are refused at their place in the file, all together', async () => {
    const { cwd, server, submit } = await start();
    await writeBundle(path.join(cwd, 'shot'), templateWith([scene]), {
      'parameter_values.yaml':
        'parameterValues:\n- name: Scene\n  value: 5\n- name: Scne\n  value: a\n',
    });
    const result = await submit('shot');
    expect(result.stderr).toContain('shot/parameter_values.yaml:3:10 parameters.Scene: ');
    expect(result.stderr).toContain('shot/parameter_values.yaml:5:10 parameters.Scne: ');
    expect(result.code).toBe(1);
    expect(server.requests).toEqual([]);
  });

  it('may not be both YAML and JSON, and every file’s problems are told', async () => {
    const { cwd, submit } = await start();
    await writeBundle(path.join(cwd, 'shot'), templateWith().replace('"true"', '5'), {
      'parameter_values.yaml': '',
      'parameter_values.json': '{}',
      'asset_references.yaml': 'inputs: {}',
    });
    const result = await submit('shot');
    expect(result.stderr).toContain('karst: The bundle is not valid.');
    expect(result.stderr).toMatch(/shot\/template\.yaml:1:\d+ steps\[0\]/);
    expect(result.stderr).toContain(
      'shot: has both parameter_values.yaml and parameter_values.json; expected one of them',
    );
    expect(result.stderr).toContain('shot/asset_references.yaml:1:1 ');
    expect(result.code).toBe(1);
  });
});

describe('a bundle’s asset_references', () => {
  it('travel as they lie to each other, and the parameters that name them with them', async () => {
    const { cwd, submit, submission, inputPaths } = await start();
    const project = path.join(cwd, 'proj');
    await writeFiles(project, {
      'scenes/shot.blend': 'scene',
      'tex/wood.png': 'wood',
      'cache/a/1.abc': 'one',
      'unrelated.txt': 'no',
    });
    const parameters = [
      scene,
      { name: 'Project', objectType: 'DIRECTORY', dataFlow: 'NONE' } as const,
      { name: 'Elsewhere', dataFlow: 'NONE', objectType: 'DIRECTORY' } as const,
      { name: 'Out', dataFlow: 'OUT', objectType: 'DIRECTORY' } as const,
    ];
    await writeBundle(path.join(cwd, 'shot'), templateWith(parameters), {
      'parameter_values.json': values({
        Scene: path.join(project, 'scenes/shot.blend'),
        Project: project,
        Elsewhere: '/opt/tools',
        Out: path.join(project, 'renders'),
      }),
      'asset_references.json': references({
        inputs: {
          filenames: [path.join(project, 'scenes/shot.blend'), path.join(project, 'tex/wood.png')],
          directories: [path.join(project, 'cache'), 'own'],
        },
        outputs: { directories: [path.join(project, 'renders'), 'logs'] },
        referencedPaths: [project],
      }),
      'own/script.py': 'pass',
    });
    const result = await submit('shot');
    expect(result.stderr).toContain(
      `Outside the bundle: ${project} is proj in the job's file tree.`,
    );
    expect(result.stderr).toContain('Outputs are also collected from proj/renders, logs.');
    expect(result.code).toBe(0);
    expect(submission()).toMatchObject({
      locations: { Scene: 'proj/scenes/shot.blend', Project: 'proj', Out: 'proj/renders' },
      assets: ['proj/scenes/shot.blend', 'proj/tex/wood.png', 'proj/cache', 'own'],
      outputs: ['proj/renders', 'logs'],
    });
    expect(submission().locations).not.toHaveProperty('Elsewhere');
    expect(inputPaths()).toEqual([
      'own/script.py',
      'proj/cache/a/1.abc',
      'proj/scenes/shot.blend',
      'proj/tex/wood.png',
    ]);
  });

  it('stand apart from the bundle’s own files of the same name', async () => {
    const { cwd, submit, submission, inputPaths } = await start();
    await writeFiles(path.join(cwd, 'tex'), { 'wood.png': 'outside' });
    await writeBundle(path.join(cwd, 'shot'), templateWith(), {
      'tex/wood.png': 'inside',
      'asset_references.json': references({
        inputs: { filenames: ['tex/wood.png', '../tex/wood.png'] },
      }),
    });
    expect((await submit('shot')).code).toBe(0);
    expect(inputPaths()).toEqual(['tex-2/wood.png', 'tex/wood.png']);
    expect(submission().assets).toEqual(['tex/wood.png', 'tex-2/wood.png']);
  });

  it('are all told when they are missing, of the wrong kind or lead out of the bundle', async () => {
    const { cwd, server, submit } = await start();
    await writeFile(path.join(cwd, 'secret'), 'secret');
    const file = `assetReferences:
  inputs:
    filenames:
    - gone.png
    - dir
    - link
    directories:
    - template.yaml
`;
    await writeBundle(path.join(cwd, 'shot'), templateWith(), {
      'asset_references.yaml': file,
      'dir/a': 'a',
    });
    await symlink('../secret', path.join(cwd, 'shot', 'link'));
    const result = await submit('shot');
    const at = 'shot/asset_references.yaml';
    const root = path.join(cwd, 'shot');
    expect(result.stderr.split('\n').map((line) => line.trim())).toEqual([
      'karst: The files that the bundle refers to are not as it says.',
      `${at}:4:7 assetReferences.inputs.filenames[0]: ${root}/gone.png does not exist`,
      `${at}:5:7 assetReferences.inputs.filenames[1]: ${root}/dir is a directory; expected a file`,
      `${at}:6:7 assetReferences.inputs.filenames[2]: ${root}/link is a symbolic link that leads out of the bundle`,
      `${at}:8:7 assetReferences.inputs.directories[0]: ${root}/template.yaml is a file; expected a directory`,
      '',
    ]);
    expect(result.code).toBe(1);
    expect(server.requests).toEqual([]);
  });

  it('are left alone when the template itself is submitted', async () => {
    const { cwd, submit, submission } = await start();
    await writeBundle(cwd, templateWith(), {
      'parameter_values.json': values({ 'deadline:priority': 70 }),
      'asset_references.json': references({ inputs: { filenames: ['gone'] } }),
    });
    expect((await submit('template.yaml')).code).toBe(0);
    expect(submission().policy).toEqual({});
  });
});

describe('values of a bundle that are paths', () => {
  it('may not resolve outside it by a link', async () => {
    const { cwd, server, submit } = await start();
    await writeBundle(path.join(cwd, 'shot'), templateWith([scene]), {
      'parameter_values.json': values({ Scene: 'link.blend' }),
    });
    await writeFile(path.join(cwd, 'secret'), 'secret');
    await symlink('../secret', path.join(cwd, 'shot', 'link.blend'));
    const result = await submit('shot');
    expect(result.stderr).toContain('link.blend is a symbolic link that leads out of the bundle.');
    expect(result.code).toBe(1);
    expect(server.seen('POST', '/v1/jobs')).toEqual([]);
  });
});
