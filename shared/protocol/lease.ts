import { z } from 'zod';
import { resolvedJobSchema } from '../openjd/resolved-job.ts';
import { failureRuleNameSchema, failureSignSchema } from './failure-rules.ts';
import { outputFileSchema, sourceRuleSchema, treePathSchema } from './files.ts';
import { jobIdSchema, leaseIdSchema } from './ids.ts';
import { outputCheckSchema } from './output-checks.ts';
import { partChecksumSchema } from './part-checksums.ts';
import { failureKindSchema } from './task.ts';

const index = z.int().min(0);
const epochMs = z.number().min(0).describe("Milliseconds since 1970 by the node's own clock.");

/** What of its node a lease may use. */
export const resourcesSchema = z
  .object({
    vcpus: z.number().min(0),
    memoryMib: z.number().min(0),
    gpus: z.array(index).max(64).describe("Places in the inventory's list of GPUs, from 0."),
    scratchGib: z.number().min(0),
    amounts: z.record(z.string(), z.number().min(0)).optional().describe('Custom amounts by name.'),
  })
  .meta({ id: 'Resources' });
export type Resources = z.infer<typeof resourcesSchema>;

const definitionRevision = z
  .int()
  .min(1)
  .optional()
  .describe('Another than that of a definition that is kept: fetch it anew. Absent: the first.');

/**
 * The right to run tasks first..last (inclusive indices of one step) under `epoch`. What to run is
 * in the lease's definition, the same for every lease of the step under one revision.
 */
export const grantSchema = z
  .object({
    leaseId: leaseIdSchema,
    jobId: jobIdSchema,
    step: index.describe("The step's index in its job."),
    spanId: index.describe("The span's number in its step."),
    epoch: z.int().min(1),
    first: index,
    last: index,
    resources: resourcesSchema
      .optional()
      .describe('What is reserved for it beside the slot. Absent: nothing was asked for.'),
    revision: definitionRevision,
  })
  .meta({ id: 'Grant' });
export type Grant = z.infer<typeof grantSchema>;

/** Where an attempt's full log went; absent when it printed nothing. */
const log = z.strictObject({ sizeBytes: z.int().min(1) }).optional();
const message = z.string().max(4096);

/**
 * How tasks of a lease ended. A range (last > first) is for tasks without outputs and logs only; where
 * chunks adapt, a lease is one chunk, and its one result is of all its tasks.
 */
export const taskResultSchema = z
  .discriminatedUnion('outcome', [
    z.strictObject({
      outcome: z.literal('succeeded'),
      first: index,
      last: index,
      startedAtMs: epochMs,
      endedAtMs: epochMs,
      outputs: z.array(outputFileSchema).max(10_000).optional(),
      log,
    }),
    z.strictObject({
      outcome: z.literal('failed'),
      first: index,
      last: index.describe('Equal to first, but for a chunk.'),
      startedAtMs: epochMs,
      endedAtMs: epochMs,
      kind: failureKindSchema,
      rule: failureRuleNameSchema
        .optional()
        .describe('The first of the definition’s failureRules that applies.'),
      exitCode: z.int().optional(),
      signal: z.string().max(20).optional(),
      message,
      log,
    }),
    z.strictObject({
      outcome: z.literal('returned'),
      first: index,
      last: index,
      message: message.describe('Why the node gives them back; they cost no retry.'),
      log,
    }),
  ])
  .meta({ id: 'TaskResult' });
export type TaskResult = z.infer<typeof taskResultSchema>;

/** Results of one lease, fenced: refused whole when the lease is no longer the node's. */
export const leaseReportSchema = z
  .strictObject({
    leaseId: leaseIdSchema,
    jobId: jobIdSchema,
    step: index,
    spanId: index,
    epoch: z.int().min(1),
    results: z.array(taskResultSchema).max(2000),
  })
  .meta({ id: 'LeaseReport' });
export type LeaseReport = z.infer<typeof leaseReportSchema>;

/**
 * accepted: recorded (or recorded before: a repeated report is harmless). lost: the lease is gone,
 * drop its results. refused: a result is malformed (the message says how); those tasks were given back.
 */
export const leaseReportAnswerSchema = z.object({
  leaseId: leaseIdSchema,
  status: z.enum(['accepted', 'lost', 'refused']),
  message: z.string().optional(),
  jobOver: z
    .boolean()
    .optional()
    .describe('With these results the job has ended: what is kept ready for it can go.'),
});

/** Everything an agent needs to run any task of a step. Keep it by (jobId, step) and revision. */
export const leaseDefinitionSchema = z
  .object({
    jobId: jobIdSchema,
    jobName: z.string(),
    step: index,
    parameters: resolvedJobSchema.shape.parameters,
    definition: resolvedJobSchema.shape.steps.element,
    environments: resolvedJobSchema.shape.jobEnvironments.describe(
      "Of the job and then of the step: a session's, in the order it enters them.",
    ),
    locations: z
      .record(z.string(), treePathSchema)
      .describe('PATH parameters that live in the job file tree, and where.'),
    pathMapping: z
      .array(sourceRuleSchema)
      .optional()
      .describe('Rules of the submission, beside those that the locations make.'),
    hasInputs: z.boolean().describe('Whether the lease has input files to fetch.'),
    partChecksum: partChecksumSchema.describe('What parts of large outputs are told by.'),
    revision: definitionRevision,
    failureRules: z.array(failureSignSchema).optional(),
    outputChecks: z
      .array(outputCheckSchema)
      .optional()
      .describe('What has to be true of the files of a task that ended well, before it succeeds.'),
    gang: z
      .literal(true)
      .optional()
      .describe('Its tasks begin together: once all is ready the lease waits to be told to start.'),
    silence: z
      .object({ seconds: z.int().min(1), ends: z.boolean() })
      .optional()
      .describe(
        'After how long without output a task is told to be silent, and whether it is ended.',
      ),
  })
  .meta({ id: 'LeaseDefinition' });
export type LeaseDefinition = z.infer<typeof leaseDefinitionSchema>;

/** A piece of a running task's merged output, for the live tail. Best effort: the full log goes to S3. */
export const liveLogSchema = z.strictObject({
  task: index,
  text: z.string().min(1).max(262_144),
});
