import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectFrames } from '../../scripts/media.ts';
import { ensureSystemPackages } from '../../scripts/system-packages.ts';
import { exampleJob, exampleStep, progressOf, runTask } from './example-job.ts';

let outputDir: string;

beforeAll(async () => {
  await ensureSystemPackages(['blender', 'ffmpeg']);
  outputDir = await mkdtemp(path.join(tmpdir(), 'karst-orbit-'));
}, 600_000);

afterAll(async () => {
  await rm(outputDir, { recursive: true, force: true });
});

// Blender renders such a frame in two seconds, and in ten on a machine busy with other tests.
describe('examples/orbit', { timeout: 180_000 }, () => {
  it('has 24 frames of 320 x 180 unless told otherwise', async () => {
    const example = await exampleJob('orbit');
    expect(exampleStep(example, 'Render').taskCount).toBe(24);
    expect(example.job.parameters).toMatchObject({
      Width: { value: '320' },
      Height: { value: '180' },
    });
    const fewer = await exampleJob('orbit', { Frames: '1-9:4,20' });
    expect(exampleStep(fewer, 'Render').taskCount).toBe(4);
  });

  it('renders a frame by the argument list of its template, the same pixels each time', async () => {
    const example = await exampleJob('orbit', { Frames: '7,19', Samples: 2 });
    for (const [index, dir] of [
      [0, 'a'],
      [0, 'b'],
      [1, 'b'],
    ] as const) {
      const paths = { OutputDir: path.join(outputDir, dir) };
      const result = await runTask(example, 'Render', index, { paths });
      expect(result.stderr).not.toContain('Error');
      expect(result.code).toBe(0);
      expect(progressOf(result)).toEqual([5, 25, 90, 100]);
      expect(result.stdout.toString()).toMatch(/^openjd_status: Frame \d+: rendering$/m);
    }
    expect((await readdir(path.join(outputDir, 'b'))).sort()).toEqual([
      'orbit_0007.png',
      'orbit_0019.png',
    ]);
    const frames = ['a/orbit_0007.png', 'b/orbit_0007.png', 'b/orbit_0019.png'];
    const [first, again, other] = await inspectFrames(
      frames.map((frame) => path.join(outputDir, frame)),
    );
    expect(first).toMatchObject({ width: 320, height: 180 });
    expect(first?.meanLuma).toBeGreaterThan(60);
    expect(again?.md5).toBe(first?.md5);
    expect(other?.md5).not.toBe(first?.md5);
  });

  it('fails with an exit code when its script fails', async () => {
    const example = await exampleJob('orbit', { Frames: '1' });
    const paths = { OutputDir: outputDir, Shaders: path.join(outputDir, 'not-there.py') };
    const result = await runTask(example, 'Render', 0, { paths });
    expect(result.code).toBe(1);
    expect(`${result.stdout}${result.stderr}`).toContain('not-there.py');
  });
});
