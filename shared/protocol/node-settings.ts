import { z } from 'zod';
import { shortNameSchema, tagsSchema } from './inventory.ts';
import { pricesChangeSchema, pricesSchema } from './prices.ts';
import { scheduleSchema } from './schedule.ts';

/** The pool of nodes that nobody put into one. */
export const DEFAULT_POOL = 'default';

/**
 * What becomes of running leases when a node's schedule closes or a person returns to it. soft: their
 * running tasks finish, the rest is given back. hard: they are killed and given back at once.
 */
export const stopSchema = z.enum(['soft', 'hard']).meta({ id: 'Stop' });
export type Stop = z.infer<typeof stopSchema>;

/** What an operator has set for a node. */
export const nodeSettingsSchema = z.object({
  pool: shortNameSchema,
  tags: tagsSchema.describe('Beside those of its inventory.'),
  schedule: scheduleSchema.optional().describe('Absent: it may work at any time.'),
  stop: stopSchema.describe('What becomes of running leases when its schedule closes.'),
  prices: pricesSchema.describe('What it costs. Of a kind that is absent: nothing.'),
});
export type NodeSettings = z.infer<typeof nodeSettingsSchema>;

/** A change of a node's settings: what is absent stays as it is. */
export const nodeSettingsChangeSchema = z
  .strictObject({
    pool: shortNameSchema.nullable().optional().describe('null: the default pool.'),
    tags: tagsSchema.optional(),
    schedule: scheduleSchema.nullable().optional().describe('null: at any time.'),
    stop: stopSchema.optional(),
    prices: pricesChangeSchema.optional().describe('null for a kind: it costs nothing.'),
  })
  .meta({ id: 'NodeSettingsChange' });
export type NodeSettingsChange = z.infer<typeof nodeSettingsChangeSchema>;
