import { mkdtemp, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import { beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { ensurePyTorch } from '../../scripts/pytorch.ts';
import { Child } from '../support/child.ts';
import { farmForFile } from './support/farm-for-file.ts';
import { counts, published } from './support/job-state.ts';
import { StudioView } from './support/studio-view.ts';

const farm = farmForFile();
const root = fileURLToPath(new URL('../..', import.meta.url));
const metricsSchema = z.object({ accuracy: z.number(), shardAccuracies: z.array(z.number()) });
let pytorchPath: string;

beforeAll(async () => {
  pytorchPath = `${await ensurePyTorch()}${delimiter}${process.env.PATH}`;
}, 600_000);

it('trains a model in shards on the farm, and merges them into a better one', async () => {
  await farm().startAgent({ slots: 2, env: { PATH: pytorchPath } });
  const key = (await readFile(join(farm().dir, 'admin.key'), 'utf8')).trim();
  const downloads = await mkdtemp(join(farm().dir, 'download-'));
  const cli = new Child(
    'karst',
    process.execPath,
    [
      join(root, 'cli/main.ts'),
      ...['submit', join(root, 'examples/train-digits'), '-p', 'Shards=0-2'],
      ...['--wait', '--download', downloads, '-o', 'name'],
    ],
    { PATH: process.env.PATH, KARST_URL: farm().urls[0], KARST_API_KEY: key },
    downloads,
  );
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
