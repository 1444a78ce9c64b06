import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { farmEventSchema } from '@karst/shared/protocol/event.ts';
import type { InputFile } from '@karst/shared/protocol/files.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { compileRecipe } from '@karst/shared/recipes/compile-recipe.ts';
import { inspectFrames } from '../../scripts/media.ts';
import { runCommand } from '../../scripts/run-command.ts';
import { openEvents } from '../http/event-reader.ts';
import { uploadAsset } from '../scenarios/support/assets.ts';
import { Farm } from '../support/farm.ts';
import { blender, makeBenchScene } from './blender-scene.ts';
import { percentile, rounded } from './process-cpu.ts';

/** Seconds, and the pictures in the order of their frames. */
interface Rendered {
  seconds: number;
  pictures: string[];
}

const pictureName = (frame: number) => `bench_${String(frame).padStart(4, '0')}.png`;
const pictures = (dir: string, frames: number) =>
  Array.from({ length: frames }, (_, i) => join(dir, pictureName(i + 1)));

/** One Blender after the other, or one for all. */
async function bare(
  scene: string,
  dir: string,
  frames: number,
  mode: 'each' | 'all',
): Promise<Rendered> {
  const common = [scene, '--render-output', join(dir, 'bench_####')];
  const startedMs = performance.now();
  if (mode === 'all') {
    await blender([...common, '-s', '1', '-e', String(frames), '--render-anim']);
  } else {
    for (let frame = 1; frame <= frames; frame++) {
      await blender([...common, '--render-frame', String(frame)]);
    }
  }
  const seconds = (performance.now() - startedMs) / 1000;
  return { seconds, pictures: pictures(dir, frames) };
}

/** From the upload of the scene and the submission until the studio's view has the last frame. */
async function karst(farm: Farm, scene: Buffer, dir: string, frames: number): Promise<Rendered> {
  const recipe = compileRecipe(
    `render: {scene: bench.blend, frames: 1-${frames}, keepLoaded: true}`,
  );
  if (!recipe.ok) throw new Error(recipe.error.map(({ message }) => message).join('\n'));
  const { template, parameters } = recipe.value;
  const adminKey = (await readFile(join(farm.dir, 'admin.key'), 'utf8')).trim();
  await using events = await openEvents(farm.urls[0] ?? '', adminKey);
  const startedMs = performance.now();
  const inputs: InputFile[] = [await uploadAsset(farm, scene, 'bench.blend')];
  const body = { template: JSON.stringify(template), parameters, inputs };
  const { id } = await farm.api().call(routes.submitJob, { body });
  for (;;) {
    const event = farmEventSchema.parse((await events.next()).data);
    if (event.type !== 'job' || event.jobId !== id) continue;
    if (event.state === 'failed') throw new Error(`the job failed: ${farm.logs()}`);
    if (event.state !== 'succeeded') continue;
    const { outputs } = await farm.readJob(id);
    if (outputs.accepted === frames && outputs.published === frames) break;
  }
  const seconds = (performance.now() - startedMs) / 1000;
  await download(farm, id, dir);
  return { seconds, pictures: pictures(dir, frames) };
}

async function download(farm: Farm, jobId: JobId, dir: string): Promise<void> {
  const query = { limit: 1000 };
  const { items } = await farm.api().call(routes.listOutputs, { params: { jobId }, query });
  for (const { path, url } of items) {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${path}: storage answered ${answer.status}`);
    await writeFile(join(dir, path.split('/').at(-1) ?? ''), await answer.bytes());
  }
}

/**
 * Short frames of one scene, rendered by one Blender process a frame, by one for all, and by a farm
 * with one agent that was started beforehand. They take turns in one run; medians.
 */
export async function run(args: string[]): Promise<unknown> {
  const { values } = parseArgs({
    args,
    options: {
      frames: { type: 'string', default: '10' },
      samples: { type: 'string', default: '48' },
      rounds: { type: 'string', default: '3' },
    },
  });
  const frames = Number(values.frames);
  const home = await mkdtemp(join(tmpdir(), 'karst-bench-'));
  const farm = await Farm.start({ livenessMs: 30_000, env: { KARST_LOG_LEVEL: 'warn' } });
  try {
    await farm.startAgent();
    const size = { frames, samples: Number(values.samples), width: 320, height: 180 };
    const scene = await makeBenchScene(home, size);
    const content = await readFile(scene);
    const took: Record<'each' | 'all' | 'karst', number[]> = { each: [], all: [], karst: [] };
    const pixels = new Set<string>();
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const mode of ['each', 'all', 'karst'] as const) {
        const dir = join(home, `${round}-${mode}`);
        await mkdir(dir);
        const rendered =
          mode === 'karst'
            ? await karst(farm, content, dir, frames)
            : await bare(scene, dir, frames, mode);
        took[mode].push(rounded(rendered.seconds, 2));
        const facts = await inspectFrames(rendered.pictures);
        pixels.add(facts.map(({ md5 }) => md5).join());
      }
    }
    const oneProcessSeconds = percentile(took.all, 0.5);
    const karstSeconds = percentile(took.karst, 0.5);
    return {
      frames,
      perFrameProcessSeconds: percentile(took.each, 0.5),
      oneProcessSeconds,
      karstSeconds,
      karstToOneProcessRatio: rounded(karstSeconds / oneProcessSeconds, 3),
      pixelsIdentical: pixels.size === 1,
      blender: await blenderVersion(),
      allSeconds: took,
    };
  } finally {
    await farm.stop();
    await rm(home, { recursive: true, force: true });
  }
}

async function blenderVersion(): Promise<string> {
  const { stdout } = await runCommand('blender', ['--version']);
  return stdout.toString('utf8').split('\n')[0] ?? '';
}
