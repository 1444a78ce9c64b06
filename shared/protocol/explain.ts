import { z } from 'zod';
import { jobIdSchema, nodeIdSchema } from './ids.ts';
import { jobStateSchema, stepStateSchema } from './job.ts';
import { nodeStateSchema } from './node.ts';

const timestamp = z.iso.datetime();
const count = z.int().min(0);

/** A test that nodes failed. */
export const nodeTestSchema = z
  .object({
    test: z.string().describe('What was tested: amount.worker.gpu, region, software.blender.'),
    nodes: count.describe('How many nodes fail it.'),
    wanted: z.string(),
    has: z
      .string()
      .describe('What one of them has: where it is a number, the nearest to what is wanted.'),
  })
  .meta({ id: 'NodeTest' });
export type NodeTest = z.infer<typeof nodeTestSchema>;

/** How a node stands to a step: the first thing that keeps it from running it now, or free. */
export const standingSchema = z
  .enum([
    'other_studios',
    'unsuited',
    'offline',
    'other_classes',
    'pool_by_name_only',
    'pool_closed',
    'draining',
    'outside_schedule',
    'quarantined',
    'not_ready',
    'limit_reached',
    'failed_here',
    'kept_for_larger',
    'busy',
    'free',
  ])
  .meta({
    id: 'Standing',
    description:
      'other_studios: its pool takes other studios only. unsuited: it fails a test. ' +
      'other_classes: its pool takes other priority classes only. pool_by_name_only: its pool takes ' +
      'only jobs that name it. quarantined: it failed what others can do. not_ready: its agent wants no work, and says why. limit_reached: a ' +
      'limit that counts nodes is full. failed_here: what waits failed there lately and is left to ' +
      'others. kept_for_larger: its room is kept for a task that goes first and does not fit yet. busy: no slot, or too little of what is asked for, is free.',
  });
export type Standing = z.infer<typeof standingSchema>;

/** Who goes first. Of other studios only numbers are told. */
export const aheadSchema = z
  .object({
    by: z
      .enum(['class', 'share', 'priority', 'age'])
      .describe('What puts them first; share: their studio, or project, has used less of its.'),
    own: z.boolean().describe("Of the asking job's own studio."),
    studios: count,
    steps: count,
    tasks: count.describe('Waiting tasks of these steps.'),
  })
  .meta({ id: 'Ahead' });
export type Ahead = z.infer<typeof aheadSchema>;

export const fullLimitSchema = z
  .object({
    name: z.string().describe('For people: "limit nuke", "GPUs of the studio".'),
    inUse: count,
    max: count,
    perNode: z.boolean().describe('It counts nodes, not tasks.'),
  })
  .meta({ id: 'FullLimit' });
export type FullLimit = z.infer<typeof fullLimitSchema>;

export const spentBudgetSchema = z
  .object({
    name: z.string().describe('For people: "project feature film", "studio acme".'),
    spentCoreHours: z.number().min(0),
    budgetCoreHours: z.number().min(0),
  })
  .meta({ id: 'SpentBudget' });
export type SpentBudget = z.infer<typeof spentBudgetSchema>;

const text = z.string().describe('One sentence for people.');
const reason = <K extends string, S extends z.core.$ZodLooseShape>(kind: K, shape: S) =>
  z.object({ kind: z.literal(kind), text, ...shape });

/** Why tasks wait. next: nothing holds them. */
export const waitReasonSchema = z
  .discriminatedUnion('kind', [
    reason('paused', {}),
    reason('blocked', { steps: z.array(z.string()).describe('Steps that must succeed first.') }),
    reason('held', {}),
    reason('over_budget', { budgets: z.array(spentBudgetSchema) }),
    reason('backing_off', { until: timestamp.describe('When the first of them is tried again.') }),
    reason('requeueing', {}),
    reason('limit', { limits: z.array(fullLimitSchema) }),
    reason('gang', {
      tasks: count.describe('How many have to find room at once.'),
      reserved: count.describe('For how many room is kept by now.'),
      possible: count.optional().describe('For how many there is room on the nodes there are.'),
    }),
    reason('no_node', {}),
    reason('unsuited', { tests: z.array(nodeTestSchema) }),
    reason('unavailable', {}),
    reason('busy', { tests: z.array(nodeTestSchema).describe('What too little is free of.') }),
    reason('behind', { ahead: z.array(aheadSchema) }),
    reason('next', {}),
  ])
  .meta({ id: 'WaitReason' });
export type WaitReason = z.infer<typeof waitReasonSchema>;

const momentSchema = z
  .object({ p50: timestamp, p90: timestamp })
  .meta({ id: 'ExpectedMoment', description: 'Half, and nine of ten, are expected by then.' });

export const forecastSchema = z
  .object({
    start: momentSchema.nullable().describe('null: it has started, or nobody can say.'),
    end: momentSchema.nullable(),
    basis: z.string().describe('What it is based on, or what is missing, for people.'),
  })
  .meta({ id: 'Forecast' });
export type Forecast = z.infer<typeof forecastSchema>;

export const stepExplanationSchema = z
  .object({
    index: count,
    name: z.string(),
    state: stepStateSchema,
    waiting: count,
    running: count,
    summary: z.string().describe('Why its tasks wait, in one sentence.'),
    reasons: z.array(waitReasonSchema).min(1).describe('What holds it, the most telling first.'),
    nodes: z
      .partialRecord(standingSchema, count)
      .describe('How many enrolled nodes stand how to it. An offline one counts if it suits.'),
    tests: z.array(nodeTestSchema).describe('Tests that online nodes fail, the commonest first.'),
    forecast: forecastSchema,
  })
  .meta({ id: 'StepExplanation' });
export type StepExplanation = z.infer<typeof stepExplanationSchema>;

export const jobExplanationSchema = z
  .object({
    jobId: jobIdSchema,
    state: jobStateSchema,
    summary: z.string().describe('Why it waits, in one sentence.'),
    steps: z.array(stepExplanationSchema).describe('Every step with waiting tasks.'),
    forecast: forecastSchema,
  })
  .meta({ id: 'JobExplanation' });
export type JobExplanation = z.infer<typeof jobExplanationSchema>;

export const shapeExplanationSchema = z
  .object({
    wants: z.string().describe('What these steps ask for.'),
    studios: z.array(z.string()),
    steps: count,
    tasks: count,
    standing: standingSchema,
    tests: z.array(nodeTestSchema.omit({ nodes: true })).describe('Those the node fails.'),
    text,
  })
  .meta({ id: 'ShapeExplanation' });
export type ShapeExplanation = z.infer<typeof shapeExplanationSchema>;

export const nodeExplanationSchema = z
  .object({
    nodeId: nodeIdSchema,
    name: z.string(),
    state: nodeStateSchema,
    slots: count,
    leaseCount: count,
    summary: z.string().describe('Why it idles, or that it does not, in one sentence.'),
    holds: z.array(z.string()).describe('What keeps it from any work.'),
    waiting: z.array(shapeExplanationSchema).describe('What waits for nodes, by what it asks for.'),
    leftOut: count.describe('How many more kinds of work wait.'),
  })
  .meta({ id: 'NodeExplanation' });
export type NodeExplanation = z.infer<typeof nodeExplanationSchema>;
