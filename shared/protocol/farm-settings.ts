import { z } from 'zod';
import { studioIdSchema } from './ids.ts';
import { shortNameSchema } from './inventory.ts';
import { limitNameSchema, priorityClassSchema, projectSchema } from './job.ts';
import { scheduleSchema } from './schedule.ts';

const most = z.int().min(0).max(1_000_000).optional();

/** What a studio, or a project within its studio, is owed and may have. */
export const shareSettingsSchema = z
  .strictObject({
    weight: z
      .number()
      .min(0.001)
      .max(1_000_000)
      .default(1)
      .describe('Its share of the farm against the others that have work.'),
    guaranteedTasks: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(0)
      .describe('Running tasks it gets before those who have more than they are guaranteed.'),
    maxTasks: most.describe('Most tasks running at once. Default: no ceiling.'),
    maxGpus: most.describe('Most GPUs held at once.'),
    maxNodes: most.describe('Most nodes it runs on at once.'),
    budgetCoreHours: z
      .number()
      .min(0)
      .max(1_000_000_000_000)
      .optional()
      .describe('Nothing more starts once it ever used so much. Default: no budget.'),
  })
  .meta({ id: 'ShareSettings' });
export type ShareSettings = z.infer<typeof shareSettingsSchema>;

/** A thing the farm has only so many of: licences, seats, database connections. */
export const limitSettingsSchema = z
  .strictObject({
    max: z.int().min(0).max(1_000_000).describe('How many there are.'),
    per: z
      .enum(['task', 'host'])
      .default('task')
      .describe('Whether each running task takes one, or each node however many it runs.'),
    reserve: z.int().min(0).default(0).describe('How many are kept for artists at their desks.'),
    usedElsewhere: z
      .int()
      .min(0)
      .default(0)
      .describe('How many are in use outside the farm, as the licence server tells.'),
  })
  .meta({ id: 'LimitSettings' });
export type LimitSettings = z.infer<typeof limitSettingsSchema>;

/** What the farm may use of a limit: artists have their reserve, or what they use if that is more. */
export const limitMaxForFarm = ({ max, reserve, usedElsewhere }: LimitSettings): number =>
  Math.max(0, max - Math.max(reserve, usedElsewhere));

/** A named set of nodes and who may use it, and when. */
export const poolSettingsSchema = z
  .strictObject({
    studios: z
      .array(studioIdSchema)
      .max(1000)
      .optional()
      .describe('Only jobs of these studios run there. Default: all.'),
    exclusive: z
      .boolean()
      .default(false)
      .describe('Only jobs that ask for the pool by name run there.'),
    schedule: scheduleSchema
      .optional()
      .describe('Tasks start only within these hours. Default: always.'),
    classes: z
      .array(priorityClassSchema)
      .min(1)
      .optional()
      .describe('Only jobs of these priority classes run there. Default: all.'),
  })
  .meta({ id: 'PoolSettings' });
export type PoolSettings = z.infer<typeof poolSettingsSchema>;

export const poolNameSchema = shortNameSchema;

export const namedShareSchema = shareSettingsSchema
  .extend({
    studio: studioIdSchema,
    project: projectSchema.optional().describe('Absent: the whole studio.'),
    usage: z
      .number()
      .min(0)
      .describe('Core-seconds used, of which half is forgotten every half-life; ranks it.'),
    spentCoreHours: z
      .number()
      .min(0)
      .describe(
        'Core-hours ever used (a GPU counts as 16 cores), what runs as estimated: what ' +
          '`budgetCoreHours` bounds.',
      ),
    runningTasks: z.int().min(0).describe('Leases it holds now: what `maxTasks` bounds.'),
    gpus: z.int().min(0).describe('GPUs it holds now.'),
    nodes: z.int().min(0).describe('Nodes it runs on now.'),
  })
  .meta({ id: 'Share' });
export type NamedShare = z.infer<typeof namedShareSchema>;

/** A studio's own share and those of its projects. */
export const ownShareSchema = z.object({
  studio: namedShareSchema,
  projects: z.array(namedShareSchema),
});

export const namedLimitSchema = limitSettingsSchema
  .extend({
    name: limitNameSchema,
    forFarm: z.int().min(0).describe('How many the farm may use at this moment.'),
    inUse: z.int().min(0).describe('How many running tasks, or nodes, of the farm hold one.'),
  })
  .meta({ id: 'Limit' });
export type NamedLimit = z.infer<typeof namedLimitSchema>;

/** What a script beside the licence server tells. */
export const limitUseSchema = z
  .strictObject({ usedElsewhere: limitSettingsSchema.shape.usedElsewhere.unwrap() })
  .meta({ id: 'LimitUse' });

export const namedPoolSchema = poolSettingsSchema
  .extend({
    name: poolNameSchema,
    isSet: z.boolean().describe('False: some nodes are in it, and nobody set who may use it.'),
    nodeCount: z.int().min(0).describe('Enrolled nodes in it.'),
  })
  .meta({ id: 'Pool' });
export type NamedPool = z.infer<typeof namedPoolSchema>;
