import { z } from 'zod';
import { latencyMsSchema } from './inventory.ts';
import { pricesSchema } from './prices.ts';

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$/, 'expected a short name');
const names = z.array(name).min(1).max(50).optional();

/** `>=3.4 <5`, `3.4` (any 3.4.x), `=3.4.1`: comparisons that must all hold. */
export const versionRangeSchema = z
  .string()
  .max(100)
  .regex(
    /^\s*(?:>=|<=|>|<|=)?\s*\d+(?:\.\d+)*(?:\s+(?:>=|<=|>|<|=)?\s*\d+(?:\.\d+)*)*\s*$/,
    'expected versions such as ">=3.4 <5" or "3.4"',
  );

/** Where the tasks of a job may run, beyond what its template's hostRequirements say. */
export const placementSchema = z
  .strictObject({
    pool: name.optional().describe('Only nodes of this pool. Default: nodes of any open pool.'),
    regions: names.describe('Only nodes of one of these regions.'),
    sites: names,
    providers: names,
    nodes: names.describe('Only nodes with one of these names.'),
    avoidNodes: names.describe('No node with one of these names.'),
    tags: names.describe('Only nodes that have all of these tags.'),
    gpuModels: names.describe('Only GPUs whose model contains one of these, in any case.'),
    software: z
      .record(z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/), versionRangeSchema)
      .optional()
      .describe('Programs the node must have, and which versions: {"blender": ">=3.4 <5"}.'),
    maxLatencyMs: latencyMsSchema
      .optional()
      .describe(
        'Only nodes that told a latency to each of these places of at most so many ms, one way: {"shanghai": 20}.',
      ),
    maxPrices: pricesSchema
      .optional()
      .describe(
        'Only nodes that cost at most so much; one without a price costs nothing. gpuHour holds for steps that ask for GPUs.',
      ),
  })
  .meta({ id: 'Placement' });
export type Placement = z.infer<typeof placementSchema>;
