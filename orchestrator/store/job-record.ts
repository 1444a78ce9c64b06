import { resolvedJobSchema } from '@karst/shared/openjd/resolved-job.ts';
import { sourceRuleSchema, treePathSchema } from '@karst/shared/protocol/files.ts';
import { jobIdSchema, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import {
  type Job,
  jobStateSchema,
  policySchema,
  type Step,
  stepStateSchema,
  type TaskCounts,
  taskOrderSchema,
} from '@karst/shared/protocol/job.ts';
import { z } from 'zod';

const count = z.coerce.number().int();
const timeMs = z.coerce.number();

/** The job hash as Redis keeps it: every value is text. */
const jobHashSchema = z.object({
  id: jobIdSchema,
  studio: studioIdSchema,
  project: z.string(),
  name: z.string(),
  description: z.string().optional(),
  state: jobStateSchema,
  message: z.string().optional(),
  policy: z.string().default('{}'),
  priority: count,
  step_count: count,
  waiting: count,
  running: count,
  succeeded: count,
  failed: count,
  canceled: count,
  outputs_accepted: count,
  outputs_published: count,
  suspicious: count.default(0),
  created_at: timeMs,
  started_at: timeMs.optional(),
  ended_at: timeMs.optional(),
});

const stepHashSchema = z.object({
  name: z.string(),
  state: stepStateSchema,
  total: count,
  cursor: count,
  waiting: count,
  running: count,
  succeeded: count,
  failed: count,
  canceled: count,
  run_ms: count,
  /** Tasks whose run time is in run_ms: not those restored from storage. */
  run_tasks: count,
  deps: z.string(),
  /** Steps that wait for all of its tasks. */
  dependents: z
    .string()
    .default('')
    .transform((text) => (text === '' ? [] : text.split(',').map(Number))),
  /** 1: chunks adapt, and a span is one chunk. */
  chunked: count.default(0),
  /** Set until a person releases the step. */
  held: z.literal('1').optional(),
  /** Absent: ascending. */
  order: taskOrderSchema.optional(),
  /** So many positions of the order may be fed until a person releases the step. */
  scout: count.optional(),
  /** Its tasks run all at once: see store/lua/include/gang.lua. */
  gang: z.literal('1').optional(),
  /** open: its tasks may be leased, all of them. started: all were ready, and run. */
  gang_state: z.enum(['open', 'started']).optional(),
  /** Until then all have to be ready, ms. */
  gang_until: timeMs.optional(),
  /** A failure that nobody was charged yet, as JSON: see gang-store.ts. */
  gang_verdict: z.string().optional(),
  /** Tasks for which room was found at the last look, where that was too few. */
  gang_room: count.optional(),
  /** Set where tasks wait for single tasks of these steps. */
  frame_deps: z.string().optional(),
  /** How many tasks were ever in a span, where that is not told by the cursor. */
  fed_count: count.optional(),
  /** Set when those that never were have been canceled. */
  unfed_canceled: z.literal('1').optional(),
  /** Set while that release is what the step waits for. */
  scouted: z.literal('1').optional(),
  started_at: timeMs.optional(),
  ended_at: timeMs.optional(),
});
export type StepRecord = z.infer<typeof stepHashSchema>;

/** What the job was made of: kept as one string, and in S3. */
export const jobDefinitionSchema = z.object({
  job: resolvedJobSchema,
  locations: z.record(z.string(), treePathSchema),
  pathMapping: z.array(sourceRuleSchema).optional(),
  inputCount: z.int().min(0),
});
export type JobDefinition = z.infer<typeof jobDefinitionSchema>;

const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());

const countsOf = (record: TaskCounts): TaskCounts => ({
  waiting: record.waiting,
  running: record.running,
  succeeded: record.succeeded,
  failed: record.failed,
  canceled: record.canceled,
});

/** The fields `held:<step index>`, in the order of the steps. */
function heldStepsOf(hash: Record<string, string>): string[] {
  const fields = Object.entries(hash).filter(([field]) => field.startsWith('held:'));
  const indexOf = ([field]: [string, string]) => Number(field.slice('held:'.length));
  return fields.sort((a, b) => indexOf(a) - indexOf(b)).map(([, name]) => name);
}

const heldMessage = (steps: readonly string[]): string | undefined =>
  steps.length === 0
    ? undefined
    : `${steps.join(', ')} ${steps.length === 1 ? 'is' : 'are'} held for approval`;

/** Undefined for an empty hash: no such job. */
export function parseJob(hash: Record<string, string>): Job | undefined {
  if (hash.id === undefined) return undefined;
  const record = jobHashSchema.parse(hash);
  const heldSteps = heldStepsOf(hash);
  return {
    id: record.id,
    studio: record.studio,
    project: record.project,
    name: record.name,
    description: record.description,
    state: record.state,
    message: record.message ?? heldMessage(heldSteps),
    policy: { ...policySchema.parse(JSON.parse(record.policy)), priority: record.priority },
    heldSteps: heldSteps.length === 0 ? undefined : heldSteps,
    stepCount: record.step_count,
    taskCounts: countsOf(record),
    outputs: { accepted: record.outputs_accepted, published: record.outputs_published },
    suspiciousFrames: record.suspicious > 0 ? record.suspicious : undefined,
    createdAt: new Date(record.created_at).toISOString(),
    startedAt: iso(record.started_at),
    endedAt: iso(record.ended_at),
  };
}

export function parseStepRecord(hash: Record<string, string>): StepRecord | undefined {
  return hash.name === undefined ? undefined : stepHashSchema.parse(hash);
}

/** All tasks of a job, whatever became of them. */
export const tasksOfJob = ({ taskCounts }: Pick<Job, 'taskCounts'>): number =>
  Object.values(taskCounts).reduce((sum, count) => sum + count, 0);

/** Whether tasks of the step may be granted, as far as the step has a say in it. */
export const mayRun = ({ state, held }: StepRecord): boolean =>
  held === undefined && (state === 'ready' || state === 'running');

/** Whether a person's release is what the step waits for, or will. */
const isHeld = ({ held, scouted }: StepRecord): boolean =>
  held !== undefined || scouted !== undefined;

/** Whether a person's release changes anything. */
export const isReleasable = ({ held, scout }: StepRecord): boolean =>
  held !== undefined || scout !== undefined;
/** Whether a task of the step waits that may be granted. */
export const startable = (record: StepRecord): boolean => mayRun(record) && record.waiting > 0;

export const meanTaskMs = (record: StepRecord): number | undefined =>
  record.run_tasks === 0 ? undefined : record.run_ms / record.run_tasks;

export function stepOf(index: number, record: StepRecord, names: readonly string[]): Step {
  const dependsOn = record.deps === '' ? [] : record.deps.split(',').map(Number);
  return {
    index,
    name: record.name,
    state: record.state,
    held: isHeld(record) && !record.ended_at ? true : undefined,
    dependsOn: dependsOn.map((i) => names[i] ?? String(i)),
    taskCounts: countsOf(record),
    meanTaskMs: meanTaskMs(record),
    startedAt: iso(record.started_at),
    endedAt: iso(record.ended_at),
  };
}
