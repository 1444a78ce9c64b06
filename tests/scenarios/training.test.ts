import { mkdtemp, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type JobId, jobIdSchema } from '@karst/shared/protocol/ids.ts';
import { beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { ensurePyTorch } from '../../scripts/pytorch.ts';
import { Child } from '../support/child.ts';
import { eventually } from '../support/eventually.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts, published, tasksOf } from './support/job-state.ts';
import { StudioView } from './support/studio-view.ts';

const farm = farmForFile({ livenessMs: 3000 });
const root = fileURLToPath(new URL('../..', import.meta.url));
const metricsSchema = z.object({ accuracy: z.number(), shardAccuracies: z.array(z.number()) });
const togetherSchema = z.object({
  accuracy: z.number(),
  worldSize: z.int(),
  weights: z.array(z.string()),
});
let pytorchPath: string;

beforeAll(async () => {
  pytorchPath = `${await ensurePyTorch()}${delimiter}${process.env.PATH}`;
}, 600_000);

/** `karst submit` of an example, that waits for its end; `-o name` has it say the job's id first. */
async function submit(example: string, downloads: string, args: readonly string[]) {
  const key = (await readFile(join(farm().dir, 'admin.key'), 'utf8')).trim();
  return new Child(
    'karst',
    process.execPath,
    [
      join(root, 'cli/main.ts'),
      ...['submit', join(root, 'examples', example), ...args],
      ...['--wait', '--download', downloads, '-o', 'name'],
    ],
    { PATH: process.env.PATH, KARST_URL: farm().urls[0], KARST_API_KEY: key },
    downloads,
  );
}

/** Two nodes, so that the ranks are on one each. */
const startTwo = async () => [
  await farm().startAgent({ env: { PATH: pytorchPath } }),
  await farm().startAgent({ env: { PATH: pytorchPath } }),
];

const metricsOf = async (downloads: string) =>
  togetherSchema.parse(JSON.parse(await readFile(join(downloads, 'model/metrics.json'), 'utf8')));

it('trains a model in shards on the farm, and merges them into a better one', async () => {
  await farm().startAgent({ slots: 2, env: { PATH: pytorchPath } });
  const downloads = await mkdtemp(join(farm().dir, 'download-'));
  const cli = await submit('train-digits', downloads, ['-p', 'Shards=0-2']);
  const code = await cli.exit();
  expect(code, cli.stderr).toBe(0);
  const jobId = jobIdSchema.parse(cli.stdout[0]);
  const job = await published(farm(), jobId);
  expect(job).toMatchObject({ state: 'succeeded', taskCounts: counts({ succeeded: 4 }) });

  const view = new StudioView(farm().storage);
  const prefix = `studios/default/outputs/${jobId}/`;
  const keys = (await view.keys(prefix)).map((name) => name.slice(prefix.length));
  expect(keys).toEqual([
    'Merge/model/metrics.json',
    'Merge/model/model.pt',
    ...[0, 1, 2].map((shard) => `Train/model/metrics-${shard}.json`),
    ...[0, 1, 2].map((shard) => `Train/model/weights-${shard}.pt`),
  ]);
  const text = await view.text(`${prefix}Merge/model/metrics.json`);
  const metrics = metricsSchema.parse(JSON.parse(text));
  process.stdout.write(`accuracy ${metrics.accuracy}, shards ${metrics.shardAccuracies}\n`);
  expect(metrics.accuracy).toBeGreaterThan(0.9);
  expect(metrics.accuracy).toBeGreaterThan(Math.max(...metrics.shardAccuracies));
}, 240_000);

it('trains one model on two nodes at once, which agree on its weights', async () => {
  await startTwo();
  const downloads = await mkdtemp(join(farm().dir, 'download-'));
  const cli = await submit('train-together', downloads, []);
  expect(await cli.exit(), cli.stderr).toBe(0);
  const jobId = jobIdSchema.parse(cli.stdout[0]);
  const job = await farm().readJob(jobId);
  expect(job).toMatchObject({ state: 'succeeded', taskCounts: counts({ succeeded: 2 }) });
  const metrics = await metricsOf(downloads);
  process.stdout.write(`accuracy ${metrics.accuracy}, weights ${metrics.weights}\n`);
  expect(metrics.worldSize).toBe(2);
  expect(metrics.weights).toHaveLength(2);
  expect(new Set(metrics.weights).size).toBe(1);
  expect(metrics.accuracy).toBeGreaterThan(0.93);
}, 240_000);

it('begins the training anew when a node dies, at the cost of no retry', async () => {
  const agents = await startTwo();
  const downloads = await mkdtemp(join(farm().dir, 'download-'));
  const args = ['-p', 'Epochs=60', '--max-retries', '0'];
  const cli = await submit('train-together', downloads, args);
  const jobId = jobIdSchema.parse(await cli.line((line) => line));
  await trainingBoth(jobId);
  await agents[1]?.child.kill();
  await farm().startAgent({ env: { PATH: pytorchPath } });
  expect(await cli.exit(), cli.stderr).toBe(0);
  const tasks = await tasksOf(farm(), jobId, 'Train');
  for (const task of tasks) expect(task).toMatchObject({ state: 'succeeded', failures: 0 });
  expect(tasks.map(({ nodeId }) => nodeId)).not.toContain(agents[1]?.nodeId);
  expect((await metricsOf(downloads)).worldSize).toBe(2);
}, 240_000);

/** Waits until both ranks are through an epoch. */
async function trainingBoth(jobId: JobId): Promise<void> {
  await eventually(
    'both ranks to train',
    async () => {
      const tasks = await tasksOf(farm(), jobId, 'Train');
      return tasks.every(({ progress }) => (progress ?? 0) > 10) || undefined;
    },
    60_000,
  );
}
