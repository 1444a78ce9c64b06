import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Changes } from './support/signal.ts';

const cli = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'karst-try-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

/** `karst run` as a person runs it; its temporary files go below the test's directory. */
class Run {
  readonly changes = new Changes();
  stdout = '';
  stderr = '';
  code: number | null | undefined;
  readonly #child: ChildProcess;

  constructor(args: readonly string[], env: Record<string, string> = {}) {
    this.#child = spawn(process.execPath, [cli, 'run', ...args], {
      cwd: dir,
      env: { PATH: process.env.PATH ?? '', HOME: '/home/artist', TMPDIR: dir, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk;
      this.changes.changed();
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk;
      this.changes.changed();
    });
    this.#child.on('close', (code) => {
      this.code = code;
      this.changes.changed();
    });
  }

  async ended(): Promise<this> {
    await this.changes.until(() => this.code !== undefined);
    return this;
  }

  interrupt(): void {
    this.#child.kill('SIGINT');
  }
}

const run = (...args: string[]) => new Run(args).ended();

const shell = (text: string) => ({
  actions: { onRun: { command: '/bin/sh', args: ['-c', text] } },
});

async function write(name: string, value: object): Promise<string> {
  await writeFile(join(dir, name), JSON.stringify(value));
  return name;
}

const template = (rest: object) =>
  write('job.json', { specificationVersion: 'jobtemplate-2023-09', name: 'try', ...rest });

const frames = (range: string) => ({
  taskParameterDefinitions: [{ name: 'Frame', type: 'INT', range }],
});

const echo = (text: string) => ({ command: '/bin/echo', args: [text] });

const entering = (name: string) => ({
  name,
  script: {
    actions: {
      onEnter: { command: '/bin/sh', args: ['-c', `echo +${name}`] },
      onExit: { command: '/bin/sh', args: ['-c', `echo -${name}`] },
    },
  },
});

describe('karst run', () => {
  it('runs all steps after those they depend on, each in its environments, those of the job entered once, and exits with 0', async () => {
    const file = await template({
      jobEnvironments: [entering('job')],
      steps: [
        { name: 'B', dependencies: [{ dependsOn: 'A' }], script: shell('echo b') },
        {
          name: 'A',
          stepEnvironments: [entering('step')],
          parameterSpace: frames('1-2'),
          script: shell('echo a {{Task.Param.Frame}}'),
        },
      ],
    });
    const ran = await run(file);
    expect(ran.stdout.split('\n').filter(Boolean)).toEqual([
      '+job',
      '+step',
      'a 1',
      'a 2',
      '-step',
      'b',
      '-job',
    ]);
    expect(ran.stderr).toContain('Succeeded: 3 tasks');
    expect(ran.code).toBe(0);
    expect(await readdir(dir)).toEqual(['job.json']);
  });

  it('runs its steps in one session: files and variables of the job go on, those of a step do not', async () => {
    const file = await template({
      jobEnvironments: [{ name: 'Job', variables: { OF_JOB: 'job' } }],
      steps: [
        {
          name: 'Make',
          stepEnvironments: [
            {
              name: 'Step',
              script: {
                actions: {
                  onEnter: { command: '/bin/sh', args: ['{{Env.File.In}}'] },
                  onExit: { command: '/bin/sh', args: ['-c', 'echo left with $OF_STEP'] },
                },
                embeddedFiles: [
                  { name: 'In', type: 'TEXT', data: 'echo openjd_env: OF_STEP=step' },
                ],
              },
            },
          ],
          script: {
            ...shell('cp "$0" kept; echo $OF_JOB $OF_STEP; cat {{Task.File.Say}}'),
            embeddedFiles: [{ name: 'Say', type: 'TEXT', filename: 'say', data: 'one' }],
          },
        },
        {
          name: 'Use',
          dependencies: [{ dependsOn: 'Make' }],
          stepEnvironments: [{ name: 'Step', variables: { OTHER: 'other' } }],
          script: {
            ...shell(
              'test -e "{{Session.WorkingDirectory}}/kept" && echo " $OF_JOB $OTHER $OF_STEP."; cat {{Task.File.Say}}',
            ),
            embeddedFiles: [{ name: 'Say', type: 'TEXT', filename: 'say', data: 'two' }],
          },
        },
      ],
    });
    const ran = await run(file);
    expect(ran.stdout).toBe(
      'openjd_env: OF_STEP=step\njob step\noneleft with step\n job other .\ntwo',
    );
    expect(ran.code).toBe(0);
    expect(await readdir(dir)).toEqual(['job.json']);
  });

  it('leaves the environments of a step with it, also when the next has the very same', async () => {
    const around = { stepEnvironments: [entering('step')] };
    const file = await template({
      jobEnvironments: [entering('job')],
      steps: [
        { name: 'A', ...around, script: shell('echo a') },
        { name: 'B', ...around, script: shell('echo b') },
      ],
    });
    const ran = await run(file);
    expect(ran.stdout).toBe('+job\n+step\na\n-step\n+step\nb\n-step\n-job\n');
    expect(ran.code).toBe(0);
  });

  it('runs no further step once an environment of a step can not be left', async () => {
    const bad = { command: '/bin/sh', args: ['-c', 'exit 4'] };
    const good = { command: 'true' };
    const file = await template({
      jobEnvironments: [entering('job')],
      steps: [
        {
          name: 'A',
          stepEnvironments: [{ name: 'Bad', script: { actions: { onEnter: good, onExit: bad } } }],
          script: shell('echo a'),
        },
        { name: 'B', script: shell('echo never') },
      ],
    });
    const ran = await run(file);
    expect(ran.stdout).toBe('+job\na\n-job\n');
    expect(ran.stderr).toContain('onExit of the environment "Bad": exited with code 4');
    expect(ran.code).toBe(1);
  });

  it('stops at the first task that fails, leaves the environments and exits with 1', async () => {
    const file = await template({
      jobEnvironments: [entering('job')],
      steps: [{ name: 'A', parameterSpace: frames('1-3'), script: shell('echo a; exit 7') }],
    });
    const ran = await run(file);
    expect(ran.stdout.split('\n').filter(Boolean)).toEqual(['+job', 'a', '-job']);
    expect(ran.stderr).toContain('exited with code 7');
    expect(ran.code).toBe(1);
  });

  it('exits with 1 when an environment can not be left, and with an invalid template', async () => {
    const bad = { command: '/bin/sh', args: ['-c', 'exit 4'] };
    const file = await template({
      jobEnvironments: [{ name: 'Bad', script: { actions: { onEnter: bad, onExit: bad } } }],
      steps: [{ name: 'A', script: shell('echo never') }],
    });
    const ran = await run(file);
    expect(ran.stdout).toBe('');
    expect(ran.stderr).toContain('onEnter of the environment "Bad": exited with code 4');
    expect(ran.stderr).toContain('onExit of the environment "Bad"');
    expect(ran.code).toBe(1);
    expect((await run(await template({ steps: [] }))).code).toBe(1);
  });

  it('takes parameters, outside environments, path mapping rules and a choice of tasks', async () => {
    const file = await template({
      parameterDefinitions: [{ name: 'Scene', type: 'PATH', default: 'a.blend' }],
      steps: [
        { name: 'A', script: shell('echo never') },
        {
          name: 'B',
          parameterSpace: frames('1-100'),
          script: shell('echo {{Task.Param.Frame}} {{Param.Scene}} {{RawParam.Scene}} $HOME'),
        },
      ],
    });
    const env = await write('env.json', {
      specificationVersion: 'environment-2023-09',
      environment: entering('outside'),
    });
    const rules = await write('rules.json', {
      version: 'pathmapping-1.0',
      path_mapping_rules: [
        { source_path_format: 'POSIX', source_path: '/show', destination_path: '/mnt' },
      ],
    });
    const chosen = ['--step', 'B', '--tasks', '[{"Frame":3},{"Frame":"99"}]'];
    const given = ['-p', 'Scene=/show/x', '--env', env, '--path-mapping-rules', rules];
    const ran = await run(file, ...chosen, ...given);
    expect(ran.stdout.split('\n').filter(Boolean)).toEqual([
      '+outside',
      '3 /mnt/x /show/x /home/artist',
      '99 /mnt/x /show/x /home/artist',
      '-outside',
    ]);
    expect(ran.code).toBe(0);
    const single = await run(file, '--step', 'B', '--tasks', 'Frame=7');
    expect(single.stdout).toBe(`7 ${dir}/a.blend ${dir}/a.blend /home/artist\n`);
    const none = await run(file, '--step', 'B', '--tasks', 'Frame=700');
    expect(none).toMatchObject({ code: 3, stdout: '' });
  });

  it('takes OpenJD’s forms of parameters, tasks, environments and rules', async () => {
    const file = await template({
      parameterDefinitions: [
        { name: 'Scene', type: 'PATH' },
        { name: 'Big', type: 'INT' },
        { name: 'Word', type: 'STRING', default: 'none' },
      ],
      steps: [
        { name: 'A', script: shell('echo first') },
        {
          name: 'B',
          dependencies: [{ dependsOn: 'A' }],
          parameterSpace: {
            taskParameterDefinitions: [
              { name: 'Frame', type: 'INT', range: '1-100' },
              { name: 'Tile', type: 'STRING', range: ['l', 'r'] },
            ],
          },
          script: shell(
            'echo {{Task.Param.Frame}}{{Task.Param.Tile}} {{Param.Scene}} {{Param.Big}} {{Param.Word}}',
          ),
        },
      ],
    });
    const outer = await write('outer.json', {
      specificationVersion: 'environment-2023-09',
      parameterDefinitions: [
        { name: 'Extra', type: 'STRING' },
        { name: 'Word', type: 'STRING', allowedValues: ['none', 'some'] },
      ],
      environment: { name: 'Outer', script: { actions: { onEnter: echo('{{Param.Extra}}') } } },
    });
    const inner = await write('inner.json', {
      specificationVersion: 'environment-2023-09',
      environment: { name: 'Inner', script: { actions: { onExit: echo('out') } } },
    });
    await writeFile(join(dir, 'values.yaml'), 'Scene: /show/a\nBig: 9223372036854775807\n');
    await writeFile(join(dir, 'tasks.yaml'), '- {Frame: 3, Tile: r}\n- {Frame: "4", Tile: l}\n');
    const rule = { source_path_format: 'POSIX', source_path: '/show', destination_path: '/mnt' };
    const rules = JSON.stringify({ version: 'pathmapping-1.0', path_mapping_rules: [rule] });
    await writeFile(join(dir, 'rules.json'), rules);
    const given = ['-p', 'file://values.yaml', '--job-param', '{"Extra": "in"}', '-p', 'Word=some'];
    const around = ['--environment', outer, '--env', inner];
    const chosen = ['--step', 'B', '--run-dependencies', '--tasks', 'file://tasks.yaml'];
    const ran = await run(file, ...given, ...around, ...chosen, '--path-mapping-rules', rules);
    const [big, word] = ['9223372036854775807', 'some'];
    expect(ran.stdout.split('\n').filter(Boolean)).toEqual([
      'in',
      'first',
      `3r /mnt/a ${big} ${word}`,
      `4l /mnt/a ${big} ${word}`,
      'out',
    ]);
    expect(ran.code).toBe(0);
    const one = ['--step', 'B', '--no-run-dependencies', '-t', 'Frame=9', '--task-param', 'Tile=l'];
    const rulesFile = ['--path-mapping-rules', 'file://rules.json'];
    const single = await run(file, ...given, ...around, ...one, ...rulesFile);
    expect(single.stdout).toContain(`9l /mnt/a ${big} ${word}\nout\n`);
    const refused: [string[], number, string][] = [
      [[...given, ...around, ...one, '--tasks', 'Frame=1'], 3, 'cannot be used with'],
      [[...given, ...one], 1, 'no parameter "Extra"'],
      [[...given, ...around, '-p', 'Word=other'], 3, 'Word is given twice'],
      [['-p', 'file://none.yaml'], 3, "none.yaml can't be read"],
      [['-p', '{"Big": true}'], 3, 'Expected Big to be text or a number'],
      [['-p', '{"Big": 1, "Big": 2}'], 3, 'given twice'],
      [[...given, ...around, '-t', 'Frame=1'], 3, '--task-param needs --step'],
      [[...given, ...around, '--maximum-tasks', '0'], 3, 'or -1 for all'],
      [[...given, ...around, '--path-mapping-rules', '{"path_mapping_rules":[]}'], 1, 'version'],
    ];
    for (const [args, code, reason] of refused) {
      const bad = await run(file, ...args);
      expect(bad.stderr).toContain(reason);
      expect(bad.code).toBe(code);
      expect(bad.stdout).toBe('');
    }
  });

  it('leaves the session’s directory where asked to', async () => {
    const file = await template({ steps: [{ name: 'A', script: shell('echo made > it') }] });
    const ran = await run(file, '--preserve');
    const kept = /The session's directory is kept: (.+)/.exec(ran.stderr)?.[1] ?? '';
    expect(await readFile(join(kept, 'it'), 'utf8')).toBe('made\n');
    expect(ran.code).toBe(0);
  });

  it('cancels on Ctrl-C, leaves the environments and removes what it made', async () => {
    const file = await template({
      jobEnvironments: [entering('job')],
      steps: [{ name: 'A', script: shell('echo up; sleep 1000') }],
    });
    const running = new Run([file]);
    await running.changes.until(() => running.stdout.includes('up'));
    running.interrupt();
    await running.ended();
    expect(running.stdout).toBe('+job\nup\n-job\n');
    expect(running.code).toBe(130);
    expect(await readdir(dir)).toEqual(['job.json']);
  });

  it('prints no secret', async () => {
    const file = await template({
      extensions: ['REDACTED_ENV_VARS'],
      steps: [{ name: 'A', script: shell('echo openjd_redacted_env: K=hush; echo hush') }],
    });
    const ran = await run(file);
    expect(ran.stdout).toBe('openjd_redacted_env: K=********\n********\n');
  });

  it.each([
    [
      'sets a redacted variable where the job has the extension',
      ['REDACTED_ENV_VARS'],
      [],
      'k=********',
    ],
    ['or the environment’s own template', undefined, ['REDACTED_ENV_VARS'], 'k=********'],
    ['and else only masks it', undefined, undefined, 'k='],
  ])('%s', async (_title, extensions, own, printed) => {
    const file = await template({
      extensions,
      steps: [{ name: 'A', script: shell('echo "k=$K"; echo hush') }],
    });
    const around = await write('around.json', {
      specificationVersion: 'environment-2023-09',
      ...(own?.length ? { extensions: own } : {}),
      environment: {
        name: 'Secret',
        script: { actions: { onEnter: echo('openjd_redacted_env: K=hush') } },
      },
    });
    const ran = await run(file, '--environment', around);
    expect(ran.stdout).toBe(`openjd_redacted_env: K=********\n${printed}\n********\n`);
    expect(ran.code).toBe(0);
  });
});
