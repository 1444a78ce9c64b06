import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ensurePyTorch } from '../../scripts/pytorch.ts';
import { runCommand } from '../../scripts/run-command.ts';
import { runCli } from '../cli/support/run-cli.ts';
import { freePort } from '../support/redis.ts';
import { exampleJob, exampleStep, progressOf, runTask } from './example-job.ts';

const metricsSchema = z.object({
  accuracy: z.number(),
  worldSize: z.int(),
  epochs: z.int(),
  weights: z.array(z.string()),
});

const bundleDir = path.resolve(import.meta.dirname, '../../examples/train-together');
const digits = path.resolve(bundleDir, '../train-digits/digits.py');
let workDir: string;
let python: string;

beforeAll(async () => {
  python = path.join(await ensurePyTorch(), 'python3');
  workDir = await mkdtemp(path.join(tmpdir(), 'karst-together-'));
}, 600_000);

afterAll(async () => {
  await rm(workDir, { recursive: true, force: true });
});

async function metricsIn(dir: string): Promise<z.infer<typeof metricsSchema>> {
  return metricsSchema.parse(JSON.parse(await readFile(path.join(dir, 'metrics.json'), 'utf8')));
}

/** As a node of a gang says it. */
const placed = (rank: number, size: number, port: number) => ({
  ...process.env,
  RANK: String(rank),
  WORLD_SIZE: String(size),
  LOCAL_RANK: '0',
  MASTER_ADDR: '127.0.0.1',
  MASTER_PORT: String(port),
});

/** All ranks of a training at once. */
async function trainTogether(size: number, dir: string, parameters: Record<string, number> = {}) {
  const example = await exampleJob('train-together', {
    ...parameters,
    Digits: digits,
    Python: python,
    Ranks: `0-${size - 1}`,
  });
  const port = await freePort();
  const paths = { ModelDir: dir, Digits: digits };
  const ranks = Array.from({ length: size }, (_, rank) =>
    runTask(example, 'Train', rank, { paths, env: placed(rank, size, port) }),
  );
  return await Promise.all(ranks);
}

// PyTorch starts in a second or two, and in ten on a machine busy with other tests.
describe('examples/train-together', { timeout: 180_000 }, () => {
  it('is a step of two ranks that begin together', async () => {
    const example = await exampleJob('train-together', { Digits: digits });
    expect(exampleStep(example, 'Train').taskCount).toBe(2);
    const result = await runCli(['check', bundleDir], { cwd: workDir });
    expect(result.stderr).toMatch(/valid/);
    expect(result.code).toBe(0);
  });

  it('trains one model with two ranks, as good as the one that a single rank trains', async () => {
    const dir = path.join(workDir, 'two');
    const results = await trainTogether(2, dir);
    for (const [rank, result] of results.entries()) {
      expect(result.stderr).toBe('');
      expect(result.code).toBe(0);
      expect(progressOf(result).at(-1)).toBe(100);
      expect(result.stdout.toString()).toMatch(`\nopenjd_status: Rank ${rank} of 2: accuracy 0.9`);
    }
    expect((await readdir(dir)).sort()).toEqual([
      'metrics.json',
      'model.pt',
      'rank-0.json',
      'rank-1.json',
    ]);
    const two = await metricsIn(dir);
    expect(two).toMatchObject({ worldSize: 2, epochs: 12 });
    expect(two.weights).toHaveLength(2);
    expect(new Set(two.weights).size).toBe(1);
    expect(two.accuracy).toBeGreaterThan(0.93);

    const alone = path.join(workDir, 'alone');
    const script = path.join(bundleDir, 'train.py');
    const result = await runCommand(python, [script, '--out', alone]);
    expect(result.stderr).toBe('');
    expect(result.code).toBe(0);
    const one = await metricsIn(alone);
    expect(one).toMatchObject({ worldSize: 1, weights: [expect.any(String)] });
    expect(Math.abs(one.accuracy - two.accuracy)).toBeLessThan(0.01);
  });

  it('keeps the weights equal where the ranks cannot share a batch evenly', async () => {
    const dir = path.join(workDir, 'three');
    const results = await trainTogether(3, dir, { Samples: 128, HeldOut: 2, Epochs: 2 });
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0]);
    const { weights } = await metricsIn(dir);
    expect(weights).toHaveLength(3);
    expect(new Set(weights).size).toBe(1);
  });

  it('trains with its first task alone where no gang is, as in karst run', async () => {
    const dir = path.join(workDir, 'run');
    const small = { Samples: 64, HeldOut: 50, Epochs: 1 };
    const given = { ...small, Python: python, ModelDir: dir };
    const args = Object.entries(given).flatMap(([name, value]) => ['-p', `${name}=${value}`]);
    const result = await runCli(['run', bundleDir, ...args], { cwd: workDir });
    expect(result.stderr).toMatch(/Succeeded: 2 tasks\b/);
    expect(result.stderr).toMatch('Task 1: no gang here, task 0 trains alone');
    expect(result.code).toBe(0);
    expect(await metricsIn(dir)).toMatchObject({ worldSize: 1, epochs: 1 });
  });

  it('leaves the model alone where the task that wrote it is through', async () => {
    const dir = path.join(workDir, 'left');
    const example = await exampleJob('train-together', {
      ...{ Digits: digits, Python: python },
      ...{ Samples: 64, HeldOut: 50, Epochs: 1 },
    });
    const paths = { ModelDir: dir, Digits: digits };
    const env = placed(0, 1, await freePort());
    expect((await runTask(example, 'Train', 1, { paths, env })).code).toBe(0);
    expect(await readdir(dir)).toEqual(['rank-1.json']);
  });

  it('says at once what to install where PyTorch is missing', async () => {
    // -I -S: the venv's Python without its packages, as on a node that has none.
    const script = path.join(bundleDir, 'train.py');
    const result = await runCommand(python, ['-I', '-S', script, '--out', workDir]);
    expect(result.code).toBe(3);
    expect(result.stdout.toString()).toBe(
      'openjd_fail: PyTorch is not installed on this node: install it with pip install torch numpy\n',
    );
  });
});
