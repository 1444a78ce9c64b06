import { z } from 'zod';
import { failureRuleNameSchema } from './failure-rules.ts';
import { outputFileSchema } from './files.ts';
import { nodeIdSchema } from './ids.ts';
import { taskStateSchema } from './job.ts';

const timestamp = z.iso.datetime();

/**
 * Why an attempt failed, as the agent saw it.
 * Task's fault: exit, signal, timeout, silent (printed nothing for too long), reported (openjd_fail), command (can't be started), outputs
 * (an output is missing, escapes its directory or changed while read).
 * Node's fault: disk_full, out_of_memory, node. Farm's: inputs (can't be fetched or verified), storage.
 */
export const failureKindSchema = z
  .enum([
    'exit',
    'signal',
    'timeout',
    'reported',
    'silent',
    'command',
    'outputs',
    'disk_full',
    'out_of_memory',
    'node',
    'inputs',
    'storage',
  ])
  .meta({ id: 'FailureKind' });
export type FailureKind = z.infer<typeof failureKindSchema>;

/** Whose fault a failure is. Only the task's costs a retry. */
export const failureClassSchema = z.enum(['task', 'node', 'farm']).meta({ id: 'FailureClass' });
export type FailureClass = z.infer<typeof failureClassSchema>;

export const attemptSchema = z
  .object({
    epoch: z.int().min(1).describe("The lease's fencing number."),
    nodeId: nodeIdSchema,
    outcome: z
      .enum(['succeeded', 'failed', 'lost', 'returned', 'preempted', 'canceled'])
      .describe('preempted: ended early for work that goes before it; runs again, costs no retry.'),
    startedAt: timestamp.optional(),
    endedAt: timestamp.optional(),
    exitCode: z.int().optional(),
    signal: z.string().optional(),
    failureKind: failureKindSchema.optional(),
    failureClass: failureClassSchema.optional(),
    failureRule: failureRuleNameSchema
      .optional()
      .describe("The rule of the job's policy that decided about it."),
    message: z.string().optional(),
  })
  .meta({ id: 'Attempt' });
export type Attempt = z.infer<typeof attemptSchema>;

/**
 * What people should look at. silent: it has printed nothing for longer than `silentSeconds`. slow: it
 * runs far longer than its siblings did.
 */
export const taskFlagSchema = z.enum(['silent', 'slow']).meta({ id: 'TaskFlag' });
export type TaskFlag = z.infer<typeof taskFlagSchema>;

export const taskSchema = z
  .object({
    step: z.string(),
    index: z.int().min(0),
    parameters: z
      .record(z.string(), z.string())
      .describe('Task parameter values, as text. Where chunks adapt, the single value.'),
    state: taskStateSchema,
    failures: z.int().min(0).describe("Attempts that failed by the task's own fault."),
    progress: z.number().min(0).max(100).optional(),
    status: z.string().optional().describe('The last openjd_status message.'),
    flags: z.array(taskFlagSchema).min(1).optional().describe('Of a running task.'),
    nodeId: nodeIdSchema.optional().describe('Where it runs, or ran last.'),
    rerun: z
      .object({ nodeId: nodeIdSchema.optional(), since: timestamp.optional() })
      .optional()
      .describe(
        'It runs a second time, and the first success counts (`rerunSlowTasks`). Empty while the rerun waits for a node.',
      ),
    attempt: attemptSchema.optional().describe('The last finished attempt.'),
    outputs: z.array(outputFileSchema),
    chunk: z
      .object({ first: z.int().min(0), last: z.int().min(0) })
      .optional()
      .describe(
        'Where chunks adapt: the tasks that this one runs, fails and runs again with. Node, attempt, failures, progress and outputs are those of them all. Absent until it is in a chunk.',
      ),
  })
  .meta({ id: 'Task' });
export type Task = z.infer<typeof taskSchema>;
