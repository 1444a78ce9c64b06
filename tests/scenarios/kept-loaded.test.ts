import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import { beforeAll, expect, it } from 'vitest';
import { inspectFrames } from '../../scripts/media.ts';
import { runCommand } from '../../scripts/run-command.ts';
import { ensureSystemPackages } from '../../scripts/system-packages.ts';
import { succeeded } from '../recipes/support/hand-session.ts';
import { makeScene, testDir } from '../recipes/support/scenes.ts';
import { eventually } from '../support/eventually.ts';
import type { FarmAgent } from '../support/farm.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { acceptedOutputs, published, tasksOf } from './support/job-state.ts';
import { isAlive } from './support/processes.ts';
import { submitRender } from './support/render-job.ts';

const farm = farmForFile({ livenessMs: 20_000 });
/** Frames that take a second may take many on a machine that runs other tests. */
const busyMs = 100_000;

beforeAll(() => ensureSystemPackages(['blender', 'ffmpeg']), 600_000);

/** The Blender of each session that is open on a node. */
async function blenders(agent: FarmAgent): Promise<number[]> {
  const sessions = await readdir(join(agent.dir, 'sessions'), { withFileTypes: true });
  const pids: number[] = [];
  for (const { name } of sessions.filter((entry) => entry.isDirectory())) {
    const file = join(agent.dir, 'sessions', name, 'karst-blender', 'pid');
    const pid = Number(await readFile(file, 'utf8').catch(() => ''));
    if (pid > 0) pids.push(pid);
  }
  return pids;
}

/** What the tasks that run on a node have said so far. */
async function taskLogs(agent: FarmAgent): Promise<string> {
  const dir = join(agent.dir, 'logs');
  const texts = (await readdir(dir)).map((name) => readFile(join(dir, name), 'utf8'));
  return (await Promise.all(texts.map((text) => text.catch(() => '')))).join('\n');
}

async function logOf(jobId: JobId, task: number): Promise<string> {
  const log = await farm().fetch('GET', `/v1/jobs/${jobId}/steps/Render/tasks/${task}/log`);
  return await log.text();
}

it(
  'renders all frames with one Blender, each into its own log, and ends it with the job',
  async () => {
    const dir = await testDir();
    const scene = await makeScene(dir);
    const agent = await farm().startAgent();
    const job = await submitRender(farm(), scene, 'frames: 1-5');
    const pid = await eventually('a Blender', async () => (await blenders(agent))[0]);
    await farm().jobIn(job.id, ['succeeded', 'failed'], busyMs);
    const gone = eventually('no Blender', () => !isAlive(pid));

    const tasks = await tasksOf(farm(), job.id);
    expect(tasks.map(({ state, failures }) => [state, failures])).toEqual(
      Array.from({ length: 5 }, () => ['succeeded', 0]),
    );
    for (const { index } of tasks) {
      const log = await logOf(job.id, index);
      expect(new Set(log.match(/Fra:\d+/g)), `log ${index}`).toEqual(new Set([`Fra:${index + 1}`]));
      expect(log.includes('Read blend:'), `log ${index}`).toBe(index === 0);
      expect(log).toMatch(/^ Time: .*Saving/m);
    }
    await gone;
    const sessions = () => readdir(join(agent.dir, 'sessions'));
    await eventually('no session', async () => (await sessions()).length === 0);

    await published(farm(), job.id);
    const args = ['-b', '--factory-startup', '-noaudio', scene, '-o', join(dir, 'one_####')];
    succeeded(await runCommand('blender', [...args, '-s', '1', '-e', '5', '-a']));
    const files: string[] = [];
    for (const { path, url } of await acceptedOutputs(farm(), job.id)) {
      const file = join(dir, path.split('/').at(-1) ?? '');
      await writeFile(file, await (await fetch(url)).bytes());
      files.push(file);
    }
    expect(files).toHaveLength(5);
    const reference = Array.from({ length: 5 }, (_, i) => join(dir, `one_000${i + 1}.png`));
    const pixels = async (paths: string[]) => (await inspectFrames(paths)).map(({ md5 }) => md5);
    expect(await pixels(files.toSorted())).toEqual(await pixels(reference));
  },
  busyMs,
);

it(
  'a Blender that is killed fails the frame it renders and no other; the next session goes on',
  async () => {
    const scene = await makeScene(await testDir());
    const agent = await farm().startAgent();
    const job = await submitRender(farm(), scene, 'frames: 1-3, samples: 10000');
    await eventually(
      'the second frame in the making',
      async () => /^Fra:2 .*Sample /m.test(await taskLogs(agent)),
      busyMs,
    );
    const [first = 0] = await blenders(agent);
    process.kill(first, 'SIGKILL');
    const failed = await eventually('a failure', async () =>
      (await tasksOf(farm(), job.id)).find(({ failures }) => failures > 0),
    );
    expect(failed).toMatchObject({
      index: 1,
      attempt: { outcome: 'failed', failureKind: 'signal', signal: 'SIGKILL' },
    });
    const lastWords = await logOf(job.id, 1);
    expect(lastWords).toMatch(/^Fra:2 /m);
    expect(lastWords).toMatch(/^openjd_fail: Blender ended while it rendered \(exit code 137\)$/m);

    const second = await eventually('another Blender', async () =>
      (await blenders(agent)).find((pid) => pid !== first),
    );
    const ended = await farm().jobIn(job.id, ['succeeded', 'failed'], busyMs);
    expect(ended.state).toBe('succeeded');
    const tasks = await tasksOf(farm(), job.id);
    expect(tasks.map(({ failures }) => failures)).toEqual([0, 1, 0]);
    // Four leases of one task each: none ran again but the one that failed.
    const epochs = tasks.map(({ attempt }) => attempt?.epoch);
    expect(epochs).toEqual([1, 4, 3]);
    await eventually('no Blender', () => !isAlive(second));
  },
  2 * busyMs,
);
