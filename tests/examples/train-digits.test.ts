import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ensurePyTorch } from '../../scripts/pytorch.ts';
import { runCommand } from '../../scripts/run-command.ts';
import { exampleJob, exampleStep, progressOf, runTask } from './example-job.ts';

const shardSchema = z.object({ shard: z.int(), samples: z.int(), accuracy: z.number() });
const mergedSchema = z.object({ accuracy: z.number(), shardAccuracies: z.array(z.number()) });

let workDir: string;
let python: string;

beforeAll(async () => {
  python = path.join(await ensurePyTorch(), 'python3');
  workDir = await mkdtemp(path.join(tmpdir(), 'karst-digits-'));
}, 600_000);

afterAll(async () => {
  await rm(workDir, { recursive: true, force: true });
});

async function readJson<T>(schema: z.ZodType<T>, ...parts: string[]): Promise<T> {
  return schema.parse(JSON.parse(await readFile(path.join(workDir, ...parts), 'utf8')));
}

// PyTorch starts in a second or two, and in ten on a machine busy with other tests.
describe('examples/train-digits', { timeout: 180_000 }, () => {
  it('has a step that trains four shards and one that merges what they left', async () => {
    const example = await exampleJob('train-digits');
    expect(exampleStep(example, 'Train').taskCount).toBe(4);
    expect(exampleStep(example, 'Merge')).toMatchObject({ taskCount: 1, dependsOn: [0] });
  });

  it('merges three shards into a model better than each of them', async () => {
    const example = await exampleJob('train-digits', {
      Shards: '0-2',
      Python: python,
      HeldOut: 500,
      Samples: 900,
    });
    const paths = { ModelDir: path.join(workDir, 'model') };
    for (const [step, index] of [
      ['Train', 0],
      ['Train', 1],
      ['Train', 2],
      ['Merge', 0],
    ] as const) {
      const result = await runTask(example, step, index, { paths });
      expect(result.stderr).toBe('');
      expect(result.code).toBe(0);
      expect(progressOf(result).at(-1)).toBe(100);
      expect(result.stdout.toString()).toMatch(/^openjd_status: /m);
    }
    expect((await readdir(paths.ModelDir)).sort()).toEqual([
      'metrics-0.json',
      'metrics-1.json',
      'metrics-2.json',
      'metrics.json',
      'model.pt',
      'weights-0.pt',
      'weights-1.pt',
      'weights-2.pt',
    ]);
    const shards = [
      await readJson(shardSchema, 'model', 'metrics-0.json'),
      await readJson(shardSchema, 'model', 'metrics-1.json'),
      await readJson(shardSchema, 'model', 'metrics-2.json'),
    ];
    const merged = await readJson(mergedSchema, 'model', 'metrics.json');
    expect(merged.shardAccuracies).toEqual(shards.map((shard) => shard.accuracy));
    expect(merged.accuracy).toBeGreaterThan(0.9);
    expect(merged.accuracy).toBeGreaterThan(Math.max(...merged.shardAccuracies));
  });

  it('gives the same weights and metrics for the same seed', async () => {
    const example = await exampleJob('train-digits', {
      Python: python,
      Samples: 64,
      HeldOut: 50,
      Epochs: 1,
    });
    for (const dir of ['once', 'twice']) {
      const paths = { ModelDir: path.join(workDir, dir) };
      expect((await runTask(example, 'Train', 2, { paths })).code).toBe(0);
    }
    for (const file of ['metrics-2.json', 'weights-2.pt']) {
      const once = await readFile(path.join(workDir, 'once', file));
      expect(once.equals(await readFile(path.join(workDir, 'twice', file)))).toBe(true);
    }
  });

  it('says which shard is missing instead of merging without it', async () => {
    const example = await exampleJob('train-digits', { Python: python, Shards: '0-1' });
    const result = await runTask(example, 'Merge', 0, { paths: { ModelDir: workDir } });
    expect(result.code).toBe(4);
    expect(result.stdout.toString()).toMatch(/^openjd_fail: Shard 0 left no weights-0\.pt/m);
  });

  it('says at once what to install where PyTorch is missing', async () => {
    // -I -S: the venv's Python without its packages, as on a node that has none.
    const script = path.resolve(import.meta.dirname, '../../examples/train-digits/train.py');
    const result = await runCommand(python, ['-I', '-S', script, 'train', '--model-dir', workDir]);
    expect(result.code).toBe(3);
    expect(result.stdout.toString()).toBe(
      'openjd_fail: PyTorch is not installed on this node: install it with pip install torch numpy\n',
    );
  });
});
