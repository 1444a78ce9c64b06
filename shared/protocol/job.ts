import { z } from 'zod';
import { failureRulesSchema } from './failure-rules.ts';
import { inputFileSchema, sourceRuleSchema, treePathSchema } from './files.ts';
import { jobIdSchema, studioIdSchema } from './ids.ts';
import { outputCheckSchema } from './output-checks.ts';
import { placementSchema } from './placement.ts';

const timestamp = z.iso.datetime();

/**
 * pending: nothing has started. running: a task has started. paused: a person holds it; running tasks
 * finish, no new ones start. succeeded, failed, canceled are terminal; only a person's retry or
 * requeue reopens a job.
 */
export const jobStateSchema = z
  .enum(['pending', 'running', 'paused', 'succeeded', 'failed', 'canceled'])
  .meta({ id: 'JobState' });
export type JobState = z.infer<typeof jobStateSchema>;
export const terminalJobStates: ReadonlySet<JobState> = new Set([
  'succeeded',
  'failed',
  'canceled',
]);

/** blocked: waits for the steps it depends on. ready: may run. */
export const stepStateSchema = z
  .enum(['blocked', 'ready', 'running', 'succeeded', 'failed', 'canceled'])
  .meta({ id: 'StepState' });
export type StepState = z.infer<typeof stepStateSchema>;

/** running: in a leased span; of a gang, also one that has succeeded while others of it have not. */
export const taskStateSchema = z
  .enum(['waiting', 'running', 'succeeded', 'failed', 'canceled'])
  .meta({ id: 'TaskState' });
export type TaskState = z.infer<typeof taskStateSchema>;

export const taskCountsSchema = z
  .object({
    waiting: z.int().min(0),
    running: z.int().min(0),
    succeeded: z.int().min(0),
    failed: z.int().min(0),
    canceled: z.int().min(0),
  })
  .meta({ id: 'TaskCounts', description: 'How many tasks are in each state.' });
export type TaskCounts = z.infer<typeof taskCountsSchema>;

/**
 * urgent goes before normal, normal before background, whatever the shares say; a higher class may
 * preempt a lower one.
 */
export const priorityClassSchema = z
  .enum(['urgent', 'normal', 'background'])
  .meta({ id: 'PriorityClass' });
export type PriorityClass = z.infer<typeof priorityClassSchema>;

/** Name of a farm limit: see farm-settings.ts. */
export const limitNameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'expected 1 to 63 lower-case letters, digits, . _ -');

/**
 * Order in which a step's tasks go to the nodes. bisect: first, last, middle, then the middles between
 * them, so that what has run is always spread over the whole.
 */
export const taskOrderSchema = z
  .enum(['ascending', 'descending', 'first-middle-last', 'bisect'])
  .meta({ id: 'TaskOrder' });
export type TaskOrder = z.infer<typeof taskOrderSchema>;

export const frameDependencySchema = z
  .strictObject({
    step: z.string().describe('A step that this one depends on in the template.'),
    parameter: z
      .string()
      .optional()
      .describe("This step's own parameter. Default: the one INT or CHUNK[INT] both have."),
    on: z.string().optional().describe("The other step's parameter. Default: of the same name."),
  })
  .meta({
    id: 'FrameDependency',
    description:
      "A task waits only for those tasks of the other step that have its own parameter's values.",
  });
export type FrameDependency = z.infer<typeof frameDependencySchema>;

/** What the farm makes of a step's pictures by itself. */
export const stepPreviewsPolicySchema = z
  .strictObject({
    make: z
      .boolean()
      .default(true)
      .describe(
        'false: its pictures are not looked at: no thumbnails, contact sheet and films, no suspicious frames.',
      ),
    framesPerSecond: z.number().min(1).max(240).default(24).describe('Of its films.'),
  })
  .meta({ id: 'StepPreviewsPolicy' });
export type StepPreviewsPolicy = z.infer<typeof stepPreviewsPolicySchema>;

/** Most tasks of a gang. */
export const GANG_TASKS_MAX = 1000;

/** A step whose tasks run all at once or not at all, as the ranks of a distributed training do. */
export const gangPolicySchema = z
  .strictObject({
    reserveSeconds: z
      .int()
      .min(1)
      .max(86_400)
      .default(600)
      .describe(
        'For how long room is kept for it while the rest is still to be freed; then all of it goes to others for a while, and the gang keeps its place.',
      ),
    prepareSeconds: z
      .int()
      .min(1)
      .max(86_400)
      .default(1800)
      .describe('How long its nodes may take to fetch the inputs before any of them begins.'),
  })
  .meta({ id: 'GangPolicy' });
export type GangPolicy = z.infer<typeof gangPolicySchema>;

/** What OpenJD leaves out about one step. */
export const stepPolicySchema = z
  .strictObject({
    hold: z
      .boolean()
      .default(false)
      .describe('Once its dependencies have succeeded, the step waits for a person to release it.'),
    order: taskOrderSchema.default('ascending'),
    scout: z
      .int()
      .min(1)
      .max(1000)
      .optional()
      .describe(
        'So many tasks run first; when they have ended, the step waits for a person to release it.',
      ),
    frameDependencies: z
      .array(frameDependencySchema)
      .max(16)
      .optional()
      .describe("Of the step's dependencies, those whose tasks are waited for one by one."),
    outputs: z
      .array(outputCheckSchema)
      .min(1)
      .max(16)
      .optional()
      .describe('What each of its tasks has to write. A task that fails one of them has failed.'),
    previews: stepPreviewsPolicySchema.optional(),
    gang: gangPolicySchema
      .optional()
      .describe(
        'Its tasks run all at once, or none does; if one fails or is lost, all begin anew.',
      ),
  })
  .meta({ id: 'StepPolicy' });
export type StepPolicy = z.infer<typeof stepPolicySchema>;

/** What OpenJD leaves out. */
export const policySchema = z
  .strictObject({
    priorityClass: priorityClassSchema.default('normal'),
    placement: placementSchema.prefault({}),
    limits: z
      .array(limitNameSchema)
      .max(16)
      .default([])
      .describe('Farm limits (licences and the like) that each running task takes one of.'),
    maxTasks: z.int().min(1).max(1_000_000).optional().describe('Most tasks running at once.'),
    maxNodes: z.int().min(1).max(100_000).optional().describe('Most nodes it runs on at once.'),
    priority: z.int().min(0).max(100).default(50).describe('Higher goes first.'),
    maxRetriesPerTask: z
      .int()
      .min(0)
      .max(100)
      .default(3)
      .describe("Retries after a failure that is the task's own fault; other faults cost none."),
    maxFailedTasks: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(100)
      .describe('The job fails and its other tasks are canceled once more tasks than this failed.'),
    failureRules: failureRulesSchema
      .default([])
      .describe('Whose fault a failure is, where the exit code, signal or output tells.'),
    poisonNodes: z
      .int()
      .min(2)
      .max(8)
      .default(3)
      .describe(
        'A task that failed on this many nodes, other than by the farm’s fault, has failed.',
      ),
    silentSeconds: z
      .int()
      .min(1)
      .max(604_800)
      .optional()
      .describe('A task that prints nothing for so long is flagged. Default: none is.'),
    onSilent: z
      .enum(['flag', 'retry'])
      .default('flag')
      .describe('retry: it is also ended, which costs a retry, and tried on another node.'),
    rerunSlowTasks: z
      .boolean()
      .default(false)
      .describe(
        'Whether a running task that is flagged is also run on another node, and the first success counts. For tasks that do nothing but write their outputs: both runs may go on for a while.',
      ),
    preemptible: z
      .boolean()
      .default(true)
      .describe(
        'Whether its running tasks may be ended for work of a higher class, or for a studio below its guaranteed tasks. They run again later; no retry is charged.',
      ),
    preemptGraceSeconds: z
      .int()
      .min(0)
      .max(600)
      .default(30)
      .describe(
        'How long a task that is preempted may take to end, where its template gives it notice (NOTIFY_THEN_TERMINATE).',
      ),
    steps: z
      .record(z.string(), stepPolicySchema)
      .default({})
      .describe("By name of the template's steps."),
  })
  .meta({ id: 'Policy' });
export type Policy = z.infer<typeof policySchema>;
/** A policy before defaults. */
export type PolicyInput = z.input<typeof policySchema>;

export const projectSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$/, 'expected 1 to 63 letters, digits, spaces, . _ -');

export const submissionSchema = z
  .strictObject({
    template: z
      .union([z.string().max(1_048_576), z.record(z.string(), z.unknown())])
      .describe('An OpenJD job template (jobtemplate-2023-09): YAML or JSON text, or an object.'),
    parameters: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
    project: projectSchema.default('default'),
    policy: policySchema.prefault({}),
    locations: z
      .record(z.string(), treePathSchema)
      .default({})
      .describe(
        "Where each PATH parameter's file or directory stands in the job's file tree. Default: the last component of its value.",
      ),
    inputs: z.array(inputFileSchema).max(200_000).default([]).describe('Files already uploaded.'),
    assets: z
      .array(treePathSchema)
      .max(200_000)
      .default([])
      .describe('Places of inputs that no PATH parameter names: files or directories.'),
    outputs: z
      .array(treePathSchema)
      .max(1000)
      .default([])
      .describe('Directories whose new files are outputs, beside those of PATH parameters.'),
    pathMapping: z
      .array(sourceRuleSchema)
      .max(10_000)
      .default([])
      .describe("Where the job's files were when it was submitted, beside its PATH parameters."),
    paused: z.boolean().default(false).describe('The job starts paused: resume it to let it run.'),
  })
  .meta({ id: 'Submission' });
export type Submission = z.infer<typeof submissionSchema>;
/** A submission before defaults: what a client sends. */
export type SubmissionInput = z.input<typeof submissionSchema>;

export const jobSchema = z
  .object({
    id: jobIdSchema,
    studio: studioIdSchema,
    project: z.string(),
    name: z.string(),
    description: z.string().optional(),
    state: jobStateSchema,
    message: z.string().optional().describe('Why the job is in this state, where it needs saying.'),
    policy: policySchema,
    heldSteps: z
      .array(z.string())
      .min(1)
      .optional()
      .describe('Steps that could run now, and wait for a person to release them.'),
    stepCount: z.int().min(1),
    taskCounts: taskCountsSchema,
    outputs: z.object({
      accepted: z.int().min(0).describe('Outputs of accepted attempts.'),
      published: z.int().min(0).describe("Of these, how many the studio's view holds already."),
    }),
    suspiciousFrames: z
      .int()
      .min(1)
      .optional()
      .describe('Pictures to look at: /v1/jobs/{jobId}/suspicious-frames. Absent: none is known.'),
    createdAt: timestamp,
    startedAt: timestamp.optional(),
    endedAt: timestamp.optional(),
  })
  .meta({ id: 'Job' });
export type Job = z.infer<typeof jobSchema>;

export const stepSchema = z
  .object({
    index: z.int().min(0),
    name: z.string(),
    state: stepStateSchema,
    held: z
      .boolean()
      .optional()
      .describe('True until a person releases it: no task of it starts before, even when ready.'),
    dependsOn: z.array(z.string()).describe('Names of the steps this one waits for.'),
    taskCounts: taskCountsSchema,
    meanTaskMs: z.number().min(0).optional().describe('Run time of finished tasks, averaged.'),
    startedAt: timestamp.optional(),
    endedAt: timestamp.optional(),
  })
  .meta({ id: 'Step' });
export type Step = z.infer<typeof stepSchema>;

export const jobRetrySchema = z.strictObject({
  step: z.string().optional().describe('Only this step; default: every step.'),
});
export const jobRetryResultSchema = z.object({
  retried: z.int().min(0).describe('How many failed tasks wait again.'),
});
