import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
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
});
