import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import { describe, expect, it } from 'vitest';
import type { AgentProcess } from './support/agent-process.ts';
import { environment, note } from './support/environments.ts';
import { nvidiaSmi, pathWith } from './support/fake-tools.ts';
import { startAgent, startOrchestrator } from './support/farm.ts';
import { command, shell } from './support/steps.ts';
import type { LeaseOptions, TestLease } from './support/test-lease.ts';
import type { TestOrchestrator } from './support/test-orchestrator.ts';

const marks = async ({ dir }: AgentProcess): Promise<string[]> =>
  (await readFile(join(dir, 'marks'), 'utf8')).split('\n').filter(Boolean);

const noting = (name: string) => [
  environment(name, { onEnter: note(`+${name}`), onExit: note(`-${name}`) }),
];

const succeeded = async (orchestrator: TestOrchestrator, options: LeaseOptions) => {
  const lease = orchestrator.lease(options);
  expect(await orchestrator.finished(lease)).toMatchObject([{ outcome: 'succeeded' }]);
  return { lease, log: orchestrator.object(lease, 0, 'log', 'task.log')?.toString() ?? '' };
};

describe('a kept session', () => {
  it('takes the tasks of every step of its job in the same environments, and of no other', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    const step = shell(note('$KARST_STEP'));
    const run = (name: string, options: LeaseOptions) =>
      succeeded(orchestrator, { ...options, step: { ...step, name } });
    await run('A', { environments: noting('E') });
    await run('B', { environments: noting('E') });
    await run('C', { environments: noting('F') });
    await run('D', { environments: [...noting('F'), ...noting('E')] });
    await run('G', { environments: noting('E') });
    const jobId = jobIdSchema.parse('job-00000000000000000002');
    await run('other', { environments: noting('E'), jobId });
    expect((await marks(agent)).join(' ')).toBe('+E A B -E +F C -F +F +E D -E -F +E G -E +E other');
  });

  it('is not taken by a lease with other resources', async () => {
    const orchestrator = await startOrchestrator();
    const path = await pathWith({ 'nvidia-smi': nvidiaSmi });
    const agent = await startAgent(orchestrator.url, { PATH: path });
    for (const gpu of [0, 0, 1]) {
      await succeeded(orchestrator, {
        step: command('true'),
        environments: noting('E'),
        resources: { vcpus: 1, memoryMib: 0, gpus: [gpu], scratchGib: 0 },
      });
    }
    expect(await marks(agent)).toEqual(['+E', '-E', '+E']);
  });

  it('is not taken by another step after a task has failed in it', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    const failing = orchestrator.lease({ step: shell('exit 1'), environments: noting('E') });
    await orchestrator.finished(failing);
    await succeeded(orchestrator, { step: command('true'), environments: noting('E') });
    expect(await marks(agent)).toEqual(['+E', '-E', '+E']);
  });

  it('gives each step its own embedded files, for the owner only', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const withFile = (name: string): LeaseOptions => {
      const { script } = command('/bin/sh', [
        '-c',
        'pwd; cd embedded; stat -c "%n %a" *; cat "$0"; chmod 777 "$0"',
        `{{Task.File.${name}}}`,
      ]);
      const file = { name, filename: name, runnable: false, data: `of ${name}` };
      return { step: { script: { ...script, embeddedFiles: [file] } } };
    };
    const a = (await succeeded(orchestrator, withFile('a'))).log.split('\n');
    const b = (await succeeded(orchestrator, withFile('b'))).log.split('\n');
    expect(a.slice(1)).toEqual(['a 600', 'of a']);
    expect(b.slice(1)).toEqual(['b 600', 'of b']);
    expect(b[0]).toBe(a[0]);
  });
});

const out: Pick<LeaseOptions, 'parameters' | 'locations'> = {
  parameters: {
    Out: { type: 'PATH', value: 'out', dataFlow: 'OUT', objectType: 'DIRECTORY' },
    Scene: { type: 'PATH', value: 'scene', dataFlow: 'IN', objectType: 'FILE' },
  },
  locations: { Out: 'out', Scene: 'scene' },
};
const show = '; pwd; cd files; find . -type f | sort | xargs grep -H ""';

/** What a step's task found, without where. */
const found = (log: string) => log.split('\n').slice(1).filter(Boolean);
const where = (log: string) => log.split('\n')[0];

/** An input file; of steps, its content is what is told of it. */
function input(orchestrator: TestOrchestrator, path: string, text: string): TestLease['inputs'] {
  return [{ path, ...orchestrator.asset(Buffer.from(text)), executable: false }];
}

const fetched = (orchestrator: TestOrchestrator, [file]: TestLease['inputs']) =>
  orchestrator.requests.filter((one) => one === `GET /storage/assets%2F${file?.sha256}`).length;

describe('the file tree of a session that steps share', () => {
  it('holds what each of them would find in a new one', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const scene = input(orchestrator, 'scene', 'as sent\n');
    const first = await succeeded(orchestrator, {
      step: shell(
        'cd files; echo one > out/1; echo two > out/2; echo three > out/3; echo patched >> scene; pwd',
      ),
      inputs: scene,
      ...out,
    });
    // Task 2 was run again elsewhere and told something else; 3 was withdrawn; 4 ran elsewhere.
    const one = input(orchestrator, 'out/1', 'one\n');
    const two = input(orchestrator, 'out/2', 'two, again\n');
    const four = input(orchestrator, 'out/4', 'four\n');
    const second = await succeeded(orchestrator, {
      step: { ...shell(`true${show}; cd out; echo mine > new`), dependsOn: [0] },
      inputs: [...scene, ...one, ...two, ...four],
      ...out,
    });
    expect(found(second.log)).toEqual([
      './out/1:one',
      './out/2:two, again',
      './out/4:four',
      './scene:as sent',
    ]);
    expect(second.lease.results).toMatchObject([{ outputs: [{ path: 'out/new' }] }]);
    expect(`${where(second.log)}/files`).toBe(where(first.log));
    // What the session's own tasks made is not fetched, nor is what the node has.
    expect([scene, one, two, four].map((file) => fetched(orchestrator, file))).toEqual([
      1, 0, 1, 1,
    ]);

    const third = await succeeded(orchestrator, { step: shell(`true${show}`), inputs: scene });
    expect(found(third.log)).toEqual(['./scene:as sent']);
    expect(where(third.log)).toBe(where(second.log));
  });

  it('is brought up to date for each lease of a step that depends on others', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const old = input(orchestrator, 'out/1', 'old\n');
    const kept = input(orchestrator, 'out/2', 'kept\n');
    const step = {
      ...shell(`true${show}; echo "$KARST_LEASE_ID" >> out/result`),
      dependsOn: [0],
    };
    const first = await succeeded(orchestrator, { step, inputs: [...old, ...kept], ...out });
    const next = orchestrator.lease({
      like: first.lease,
      inputs: [...input(orchestrator, 'out/1', 'new\n'), ...kept],
    });
    await orchestrator.finished(next);
    const log = orchestrator.object(next, 0, 'log', 'task.log')?.toString() ?? '';
    expect(found(log)).toEqual([
      './out/1:new',
      './out/2:kept',
      `./out/result:${first.lease.grant.leaseId}`,
    ]);
    expect(where(log)).toBe(where(first.log));
    expect(fetched(orchestrator, kept)).toBe(1);
  });

  it('keeps, of a path that several inputs have, the last', async () => {
    const orchestrator = await startOrchestrator();
    await startAgent(orchestrator.url);
    const both = ['first\n', 'last\n'].flatMap((text) => input(orchestrator, 'scene', text));
    const step = { ...shell(`true${show}`), dependsOn: [0] };
    const first = await succeeded(orchestrator, { step, inputs: both });
    expect(found(first.log)).toEqual(['./scene:last']);
    const second = await succeeded(orchestrator, { step, inputs: both });
    expect(found(second.log)).toEqual(['./scene:last']);
    expect(where(second.log)).toBe(where(first.log));
  });

  it('keeps what an environment has made of an input', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    const environments = [
      environment('E', { onEnter: `${note('+E')}echo adapted >> files/scene`, onExit: note('-E') }),
    ];
    const inputs = input(orchestrator, 'scene', 'as sent\n');
    const run = (text: string) =>
      succeeded(orchestrator, { step: shell(text), inputs, environments });
    await run('true');
    const second = await run(`true${show}; echo spoilt > scene`);
    expect(found(second.log)).toEqual(['./scene:as sent', './scene:adapted']);
    // Only a new session has it as it was.
    const third = await run(`true${show}`);
    expect(found(third.log)).toEqual(found(second.log));
    expect(await marks(agent)).toEqual(['+E', '-E', '+E']);
  });

  it('is left for a new one when something is in the way', async () => {
    const orchestrator = await startOrchestrator();
    const agent = await startAgent(orchestrator.url);
    const environments = noting('E');
    const inputs = input(orchestrator, 'out/1', 'one\n');
    const step = { ...shell(`true${show}`), dependsOn: [0] };
    const obstacles = [
      'mkdir -p files/out/1/2',
      'mkdir -p files ../../away; rm -rf files/out; ln -s ../../../away files/out',
    ];
    for (const obstacle of obstacles) {
      await succeeded(orchestrator, { step: shell(obstacle), environments });
      const { log } = await succeeded(orchestrator, { step, inputs, environments });
      expect(found(log)).toEqual(['./out/1:one']);
    }
    expect(await marks(agent)).toEqual(['+E', '-E', '+E', '-E', '+E']);
    await expect(readFile(join(agent.dir, 'away/1'))).rejects.toThrow('ENOENT');
  });
});
