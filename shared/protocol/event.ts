import { z } from 'zod';
import { jobIdSchema, nodeIdSchema } from './ids.ts';
import { jobStateSchema, taskCountsSchema, taskStateSchema } from './job.ts';
import { suspiciousFrameSchema } from './previews.ts';
import { taskFlagSchema } from './task.ts';

/**
 * Server-sent events of a studio. Each frame's `event:` is the `type`, its `id:` resumes through
 * `Last-Event-ID`. Events are hints: a client that missed some re-reads the resource.
 */
export const farmEventSchema = z
  .discriminatedUnion('type', [
    z.object({
      type: z.literal('job'),
      jobId: jobIdSchema,
      state: jobStateSchema,
      taskCounts: taskCountsSchema,
      heldSteps: z.array(z.string()).optional().describe("As the job's."),
    }),
    z.object({
      type: z.literal('tasks'),
      jobId: jobIdSchema,
      step: z.string(),
      first: z.int(),
      last: z.int(),
      state: taskStateSchema,
      preempted: z
        .literal(true)
        .optional()
        .describe('They wait again because they were preempted.'),
    }),
    z.object({
      type: z.literal('progress'),
      jobId: jobIdSchema,
      step: z.string(),
      task: z.int(),
      percent: z.number().optional(),
      status: z.string().optional(),
      flags: z.array(taskFlagSchema).optional().describe('What the task is flagged for now.'),
    }),
    z.object({
      type: z
        .literal('poison')
        .describe('The task, or the chunk that begins with it, is given up.'),
      jobId: jobIdSchema,
      step: z.string(),
      task: z.int(),
      nodes: z.array(nodeIdSchema).describe('It failed on each of these.'),
    }),
    z.object({
      type: z
        .literal('quarantine')
        .describe(
          'A node takes no tasks for a while; failed tasks of the job are among the reasons.',
        ),
      jobId: jobIdSchema,
      nodeId: nodeIdSchema,
      until: z.iso.datetime().describe('From then on it is tried again.'),
      tasks: z
        .array(z.object({ step: z.string(), task: z.int() }))
        .describe("The job's own that failed there."),
    }),
    z.object({
      type: z.literal('suspicious').describe('Pictures that a person should look at were found.'),
      jobId: jobIdSchema,
      step: z.string(),
      task: z.int().optional().describe('Absent: missing ones, found when the step had ended.'),
      frames: z.array(suspiciousFrameSchema.omit({ step: true })).describe('20 at most.'),
    }),
    z.object({
      type: z.literal('reset').describe('Events before this one are no longer kept: re-read.'),
    }),
  ])
  .meta({ id: 'FarmEvent' });
export type FarmEvent = z.infer<typeof farmEventSchema>;
