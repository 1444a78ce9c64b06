import { z } from 'zod';
import { adaptiveChunks } from '../openjd/adaptive-chunks.ts';
import type { RawProblem } from '../openjd/problem.ts';
import type { ResolvedStep } from '../openjd/resolved-job.ts';
import { quote } from '../openjd/text-rules.ts';
import { leaseIdSchema } from './ids.ts';
import { GANG_TASKS_MAX, type StepPolicy } from './job.ts';

const address = {
  host: z
    .string()
    .regex(/^\S{1,255}$/, 'expected a host name or address')
    .describe('Where the others reach the node.'),
  port: z.int().min(1).max(65_535).describe('A TCP port that was free there.'),
};

/** A lease of a gang whose node has everything and waits for the others. */
export const gangReadySchema = z.strictObject({ leaseId: leaseIdSchema, ...address });
export type GangReady = z.infer<typeof gangReadySchema>;

/** Every node of a gang was ready: its tasks begin. */
export const gangStartSchema = z
  .object({
    leaseId: leaseIdSchema,
    epoch: z.int().min(1).describe('Higher each time the gang begins.'),
    members: z
      .array(z.object({ task: z.int().min(0), ...address }))
      .max(GANG_TASKS_MAX)
      .describe('By task: the place in this list is the rank.'),
  })
  .meta({ id: 'GangStart' });
export type GangStart = z.infer<typeof gangStartSchema>;

/** What keeps a step's tasks from running as a gang. Paths start with "policy". */
export function gangProblems(
  step: Pick<ResolvedStep, 'name' | 'taskCount' | 'parameterSpace'>,
  { gang, order, scout, frameDependencies = [] }: StepPolicy,
): RawProblem[] {
  if (gang === undefined) return [];
  const path = ['policy', 'steps', step.name];
  const problems: RawProblem[] = [];
  const refuse = (field: string, why: string, found: string) =>
    problems.push({
      path: [...path, field],
      message: `the tasks of ${quote(step.name)} are a gang and run all at once: ${why}`,
      found,
    });
  if (step.taskCount > GANG_TASKS_MAX) {
    refuse('gang', `expected at most ${GANG_TASKS_MAX} tasks`, `${step.taskCount}`);
  }
  if (adaptiveChunks(step.parameterSpace) !== undefined) {
    refuse('gang', 'expected no chunks that adapt to their run time', 'targetRuntimeSeconds');
  }
  if (order !== 'ascending') refuse('order', 'they have no other order', order);
  if (scout !== undefined) refuse('scout', 'none of them can go first', `${scout}`);
  if (frameDependencies.length > 0) {
    refuse('frameDependencies', 'none of them can wait for frames of its own', 'frameDependencies');
  }
  return problems;
}
