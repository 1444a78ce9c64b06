import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import { beforeAll, expect, it } from 'vitest';
import { runCommand } from '../../scripts/run-command.ts';
import { ensureSystemPackages } from '../../scripts/system-packages.ts';
import { runCli } from '../cli/support/run-cli.ts';
import { makeWindowsScene } from '../cli/support/scenes.ts';
import { succeeded } from '../recipes/support/hand-session.ts';
import { testDir } from '../recipes/support/scenes.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { acceptedOutputs } from './support/job-state.ts';

const farm = farmForFile({ livenessMs: 20_000 });
/** Frames that take a second may take many on a machine that runs other tests. */
const busyMs = 100_000;

beforeAll(() => ensureSystemPackages(['blender', 'ffmpeg']), 600_000);

/** Red, green and blue of a pixel in the middle of the upper and of the lower half. */
async function halves(picture: string): Promise<number[][]> {
  const args = ['-loglevel', 'error', '-i', picture, '-f', 'rawvideo', '-pix_fmt', 'rgb24'];
  const pixels = succeeded(await runCommand('ffmpeg', [...args, 'pipe:1'])).stdout;
  return [4, 12].map((row) => {
    const at = (row * 16 + 8) * 3;
    return [...pixels.subarray(at, at + 3)];
  });
}

it(
  'a scene of a Windows machine finds its textures and libraries on a node, one Blender a frame or one for all',
  async () => {
    const dir = await testDir();
    await makeWindowsScene(dir);
    await farm().startAgent();
    const env = {
      KARST_URL: farm().urls[0] ?? '',
      KARST_API_KEY_FILE: join(farm().dir, 'admin.key'),
    };
    const render = async (recipe: string, ...flags: string[]) => {
      await writeFile(join(dir, 'job/shot.yaml'), `render: {scene: shot.blend, ${recipe}}\n`);
      const submitted = await runCli(['submit', 'job/shot.yaml', ...flags], { cwd: dir, env });
      expect(submitted.stderr).toContain('Uploaded');
      const jobId = jobIdSchema.parse(submitted.stdout.trim());
      const job = await farm().jobIn(jobId, ['succeeded', 'failed'], busyMs);
      expect(job.state).toBe('succeeded');
      const log = await farm().fetch('GET', `/v1/jobs/${jobId}/steps/Render/tasks/0/log`);
      return { jobId, missing: (await log.text()).match(/^Not on this node: .*$/gm) };
    };
    for (const keepLoaded of [false, true]) {
      const recipe = `frames: 1-2, keepLoaded: ${keepLoaded}`;
      const { jobId, missing } = await render(recipe, '--path-map', 'Z:\\show=mnt');
      expect(missing).toBeNull();
      const outputs = await acceptedOutputs(farm(), jobId);
      expect(outputs.map(({ path }) => path).toSorted()).toEqual([
        'frames/shot_0001.png',
        'frames/shot_0002.png',
      ]);
      for (const { url, path } of outputs) {
        const picture = join(dir, path.replace('/', '-'));
        await writeFile(picture, await (await fetch(url)).bytes());
        expect(await halves(picture), `${path}, kept loaded: ${keepLoaded}`).toEqual([
          [0, 255, 0],
          [0, 0, 255],
        ]);
      }
    }
    // The same scene alone: what it lacks is told where its picture is looked into.
    expect((await render('frames: 1', '--no-scan')).missing).toEqual([
      'Not on this node: Z:/show/lib/lower.blend (library lower.blend)',
      'Not on this node: z:/Show/Tex/green.PNG (image Upper)',
    ]);
  },
  busyMs,
);
