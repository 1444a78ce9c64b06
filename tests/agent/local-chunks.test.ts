import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';

const cli = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

it('karst run puts values together in chunks that grow once one is measured', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'karst-chunks-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const chunks = { defaultTaskCount: 2, targetRuntimeSeconds: 600, rangeConstraint: 'CONTIGUOUS' };
  const frame = { name: 'Frame', type: 'CHUNK[INT]', range: '1-50,71-80', chunks };
  const onRun = { command: 'echo', args: ['{{Task.Param.Frame}}'] };
  const step = {
    name: 'A',
    parameterSpace: { taskParameterDefinitions: [frame] },
    script: { actions: { onRun } },
  };
  const job = {
    specificationVersion: 'jobtemplate-2023-09',
    extensions: ['TASK_CHUNKING'],
    name: 'chunks',
    steps: [step],
  };
  await writeFile(join(dir, 'job.json'), JSON.stringify(job));
  const run = (...args: string[]) =>
    promisify(execFile)(process.execPath, [cli, 'run', 'job.json', ...args], { cwd: dir });

  const all = await run();
  expect(all.stdout).toBe('1-2\n3-50\n71-80\n');
  expect(all.stderr).toContain('Step A, tasks 2 to 49: Frame=3-50');
  expect(all.stderr).toContain('Succeeded: 60 tasks');
  const chosen = await run('--step', 'A', '--tasks', 'Frame=48-50');
  expect(chosen.stdout).toBe('48-49\n50-50\n');
});
