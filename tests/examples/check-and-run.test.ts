import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectFrames } from '../../scripts/media.ts';
import { ensurePyTorch } from '../../scripts/pytorch.ts';
import { ensureSystemPackages } from '../../scripts/system-packages.ts';
import { runCli } from '../cli/support/run-cli.ts';
import { makeScene } from '../recipes/support/scenes.ts';

/** Every example as a person checks and runs it, in a copy: what it makes lands beside it. */

const examplesDir = path.resolve(import.meta.dirname, '../../examples');
let dir: string;
let python: string;

beforeAll(async () => {
  await ensureSystemPackages(['blender', 'ffmpeg', 'povray']);
  python = path.join(await ensurePyTorch(), 'python3');
  // POV-Ray may write below the system's temporary folder only.
  dir = await mkdtemp(path.join(tmpdir(), 'karst-examples-'));
  await cp(examplesDir, dir, { recursive: true });
  await makeScene(path.join(dir, 'recipes'));
}, 600_000);

afterAll(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));

/**
 * The files of examples/ that can be checked: templates, environment templates, recipes. Farms and
 * traces for karst simulate are none of these; tests/simulator reads them.
 */
async function documents(): Promise<string[]> {
  const entries = await readdir(examplesDir, { recursive: true });
  return entries
    .filter((file) => /\.(yaml|yml|json)$/.test(file) && !file.startsWith('simulate/'))
    .toSorted();
}

const studio = ['--recipes', 'recipes/studio'];

it('karst check passes every template, environment and recipe', async () => {
  const files = await documents();
  const bundles = files
    .filter((file) => path.basename(file).startsWith('template.'))
    .map((file) => path.dirname(file));
  expect(bundles.length).toBeGreaterThanOrEqual(3);
  const result = await runCli(['check', ...files, ...bundles, ...studio], { cwd: dir });
  expect(result.stdout).toBe('');
  expect(result.stderr).toMatch(/^\d+ files are valid\.\n$/);
  expect(result.code).toBe(0);
});

interface Run {
  /** A bundle's directory or a recipe file, below examples/. */
  target: string;
  params: Record<string, string | number>;
  options?: string[];
  /** What its tasks say, where they say something of their own. */
  says?: RegExp;
  taskCount: number;
  /** What it leaves, below the target's directory. */
  leaves: string[];
}

/** In this order: encode takes the pictures of animation. */
const runs: Run[] = [
  {
    target: 'hello',
    params: { Name: 'you' },
    says: /^Hello you, this is task 1 of 5\.\n[\s\S]*Hello you, this is task 5 of 5\.$/m,
    taskCount: 5,
    leaves: [],
  },
  {
    target: 'orbit',
    params: { Frames: '7,19', Samples: 1, Width: 64, Height: 36 },
    says: /^openjd_status: Frame 19: rendering$/m,
    taskCount: 2,
    leaves: ['frames/orbit_0007.png', 'frames/orbit_0019.png'],
  },
  {
    target: 'train-digits',
    params: { Shards: '0', Samples: 64, HeldOut: 50, Epochs: 1 },
    taskCount: 2,
    leaves: ['model/metrics.json', 'model/model.pt'],
  },
  {
    target: 'train-together',
    params: { Samples: 64, HeldOut: 50, Epochs: 1 },
    taskCount: 2,
    leaves: ['model/metrics.json', 'model/model.pt', 'model/rank-0.json'],
  },
  {
    target: 'recipes/animation.yaml',
    params: { PreviewFrames: '1', Frames: '2-3', Samples: 1, Width: 64, Height: 36 },
    taskCount: 3,
    leaves: [
      'frames/cube_0001.png',
      'frames/cube_0002.png',
      'frames/cube_0003.png',
      'frames/cube.mp4',
    ],
  },
  {
    target: 'recipes/encode.yaml',
    params: { Movie: 'recipes/encoded.mp4' },
    taskCount: 1,
    leaves: ['encoded.mp4'],
  },
  {
    target: 'recipes/kept-loaded.yaml',
    params: { Frames: '5-6' },
    taskCount: 2,
    leaves: ['frames/cube_0005.png', 'frames/cube_0006.png'],
  },
  {
    target: 'recipes/marble.yaml',
    params: { Frames: '1-3:2', Width: 64, Height: 36 },
    taskCount: 3,
    leaves: ['frames/marble_01.png', 'frames/marble_03.png', 'frames/marble.mp4'],
  },
  {
    target: 'recipes/tiles.yaml',
    params: { Width: 96, Height: 54 },
    taskCount: 7,
    leaves: ['still/cube.png'],
  },
  {
    target: 'recipes/turntable.yaml',
    params: { Frames: '1', Samples: 1 },
    options: studio,
    taskCount: 1,
    leaves: ['turntable'],
  },
];

// Blender starts in a second, and in ten on a machine busy with other tests.
describe('karst run', { timeout: 180_000 }, () => {
  it('is tried with every example', async () => {
    const files = await documents();
    const targets = files
      .filter((file) => !file.startsWith('recipes/studio/'))
      .filter((file) => path.basename(file) !== 'parameter_values.yaml')
      .map((file) => (path.basename(file).startsWith('template.') ? path.dirname(file) : file));
    expect(runs.map(({ target }) => target).toSorted()).toEqual(targets.toSorted());
  });

  it.each(runs)('runs $target', async ({ target, params, options, says, taskCount, leaves }) => {
    const given = target.startsWith('train-') ? { ...params, Python: python } : params;
    const args = Object.entries(given).flatMap(([name, value]) => ['-p', `${name}=${value}`]);
    const result = await runCli(['run', target, ...args, ...(options ?? [])], { cwd: dir });
    expect(result.stderr).toMatch(new RegExp(`Succeeded: ${taskCount} tasks?\\b`));
    expect(result.stdout).toMatch(says ?? /./);
    expect(result.code).toBe(0);
    const bundleDir = target.endsWith('.yaml') ? path.dirname(target) : target;
    const left = await readdir(path.join(dir, bundleDir), { recursive: true });
    expect(left).toEqual(expect.arrayContaining(leaves));
    const pictures = leaves.filter((file) => file.endsWith('.png'));
    const frames = await inspectFrames(pictures.map((file) => path.join(dir, bundleDir, file)));
    const { Width: width, Height: height } = params;
    const wanted = width === undefined ? {} : { width, height };
    expect(frames).toEqual(pictures.map(() => expect.objectContaining(wanted)));
    expect(new Set(frames.map(({ md5 }) => md5)).size).toBe(pictures.length);
  });
});
