import { z } from 'zod';

/** Seconds an action is given between the notice and the kill when the template says nothing. */
export const notifyPeriodDefaultSeconds = { onRun: 120, onEnter: 30, onExit: 30 } as const;
/** Seconds onExit may take when the template says nothing, so that every session ends. */
export const exitTimeoutDefaultSeconds = 300;

const cancelationSchema = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('TERMINATE') }),
  z.strictObject({
    mode: z.literal('NOTIFY_THEN_TERMINATE'),
    notifyPeriodSeconds: z.int().min(1).max(600),
  }),
]);

const actionSchema = z.strictObject({
  command: z.string().describe('Format string, host scope'),
  args: z.array(z.string()).describe('Format strings, host scope'),
  timeoutSeconds: z.int().min(1).optional().describe('No limit when absent'),
  cancelation: cancelationSchema,
});

const embeddedFileSchema = z.strictObject({
  name: z.string(),
  filename: z
    .string()
    .describe('Base name; of two files with the same one, the later is written last'),
  runnable: z.boolean(),
  data: z.string().describe('Format string, host scope'),
  endOfLine: z
    .enum(['AUTO', 'LF', 'CRLF'])
    .optional()
    .describe("Line ends to write; AUTO is the host's own, absent leaves the data as it is"),
});

const environmentSchema = z.strictObject({
  name: z.string(),
  redactedVariables: z
    .boolean()
    .optional()
    .describe('openjd_redacted_env sets variables; absent: its values are masked, and no more'),
  variables: z
    .record(z.string(), z.string())
    .optional()
    .describe('Environment variables; format strings, environment scope'),
  script: z
    .strictObject({
      onEnter: actionSchema.optional(),
      onExit: actionSchema.optional(),
      embeddedFiles: z.array(embeddedFileSchema),
    })
    .optional(),
});

const hostRequirementsSchema = z.strictObject({
  amounts: z
    .array(
      z.strictObject({
        name: z.string().describe('Lower case: amount.worker.vcpu'),
        min: z.number().min(0).optional(),
        max: z.number().positive().optional(),
      }),
    )
    .describe('To be had at once, and held by a session while it runs'),
  attributes: z.array(
    z.strictObject({
      name: z.string().describe('Lower case: attr.worker.os.family'),
      anyOf: z.array(z.string()).min(1).optional().describe('Lower case'),
      allOf: z.array(z.string()).min(1).optional().describe('Lower case'),
    }),
  ),
});

const chunksSchema = z.strictObject({
  defaultTaskCount: z
    .int()
    .min(1)
    .describe('The most values a chunk has; with a target, until run times are measured'),
  targetRuntimeSeconds: z
    .int()
    .min(1)
    .optional()
    .describe(
      'Chunks adapt: tasks are single values, and are put together while the job runs. Absent: a task is a chunk, fixed when the job is made',
    ),
  rangeConstraint: z.enum(['CONTIGUOUS', 'NONCONTIGUOUS']),
});

const taskParameterSchema = z.union([
  z.strictObject({
    name: z.string(),
    type: z.literal('INT'),
    range: z.string().describe('Range expression, ascending: 1-240:2'),
  }),
  z.strictObject({
    name: z.string(),
    type: z.enum(['INT', 'FLOAT', 'STRING', 'PATH']),
    values: z.array(z.string()).min(1).max(1024),
  }),
  z.strictObject({
    name: z.string(),
    type: z.literal('CHUNK[INT]'),
    range: z.string().describe('Range expression, ascending: 1-240:2'),
    chunks: chunksSchema,
  }),
  z.strictObject({
    name: z.string(),
    type: z.literal('CHUNK[INT]'),
    values: z.array(z.string()).min(1).max(1024).describe('Integers, each once'),
    chunks: chunksSchema,
  }),
]);

const spacePartSchema = z.strictObject({
  parameters: z.array(taskParameterSchema).min(1).max(16),
  combination: z.string().describe('Combination expression; every parameter once'),
});

/** How often tasks may be added to a step. */
export const addedSpacesMax = 100;

const parameterSpaceSchema = spacePartSchema.extend({
  added: z
    .array(spacePartSchema)
    .min(1)
    .max(addedSpacesMax)
    .optional()
    .describe(
      'Added since: the same parameters with other values. Their tasks follow in this order, so that no index ever changes',
    ),
});

const resolvedStepSchema = z.strictObject({
  name: z.string(),
  dependsOn: z.array(z.int().min(0)).describe('Indices of the steps that must succeed first'),
  taskCount: z.int().min(1).describe('Of a step with fixed chunks: the number of chunks'),
  environments: z
    .array(environmentSchema)
    .optional()
    .describe("Entered after the job's, in this order"),
  hostRequirements: hostRequirementsSchema.optional(),
  parameterSpace: parameterSpaceSchema.optional().describe('Absent: one task without parameters'),
  script: z.strictObject({ onRun: actionSchema, embeddedFiles: z.array(embeddedFileSchema) }),
});

const jobParameterSchema = z.strictObject({
  type: z.enum(['STRING', 'PATH', 'INT', 'FLOAT']),
  value: z.string(),
  dataFlow: z.enum(['NONE', 'IN', 'OUT', 'INOUT']).optional().describe('PATH only'),
  objectType: z.enum(['FILE', 'DIRECTORY']).optional().describe('PATH only'),
});

/**
 * A job made from a template and parameter values: what is stored, and what agents run from.
 * Template-scope format strings are resolved; those of scripts are left for the host.
 * Plain JSON, and its size does not depend on the number of tasks.
 */
export const resolvedJobSchema = z.strictObject({
  name: z.string(),
  description: z.string().optional(),
  parameters: z.record(z.string(), jobParameterSchema),
  jobEnvironments: z
    .array(environmentSchema)
    .optional()
    .describe("Entered in this order: those from outside first, then the template's own"),
  steps: z.array(resolvedStepSchema).min(1),
});

export type ResolvedJob = z.infer<typeof resolvedJobSchema>;
export type ResolvedStep = z.infer<typeof resolvedStepSchema>;
export type ResolvedParameter = z.infer<typeof jobParameterSchema>;
export type ResolvedSpacePart = z.infer<typeof spacePartSchema>;
export type ResolvedParameterSpace = z.infer<typeof parameterSpaceSchema>;
export type ResolvedTaskParameter = z.infer<typeof taskParameterSchema>;
export type ResolvedEmbeddedFile = z.infer<typeof embeddedFileSchema>;
export type ResolvedJobAction = z.infer<typeof actionSchema>;
export type ResolvedEnvironment = z.infer<typeof environmentSchema>;
export type ResolvedHostRequirements = z.infer<typeof hostRequirementsSchema>;
export type ResolvedChunks = z.infer<typeof chunksSchema>;
export type ResolvedCancelation = z.infer<typeof cancelationSchema>;

/** One task's parameters: `{Frame: {type: 'INT', value: '42'}}`. Empty for a step without a space. */
export type TaskParameters = Record<string, { type: ResolvedTaskParameter['type']; value: string }>;
