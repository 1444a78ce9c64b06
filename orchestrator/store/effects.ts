import { leaseIdSchema, nodeIdSchema } from '@karst/shared/protocol/ids.ts';
import { jobStateSchema } from '@karst/shared/protocol/job.ts';
import { z } from 'zod';

/**
 * What else a transition did (the scripts' shared part writes it): the shell tells queues, nodes and
 * watchers. All of it is also visible in the job's state, so losing it delays, never loses.
 */
const effectsSchema = z.object({
  /** The job's new state, '' where it did not change. */
  job: z.union([jobStateSchema, z.literal('')]),
  /** Steps that may run now. */
  ready: z.array(z.int()).default([]),
  /** Steps that ended. */
  ended: z.array(z.int()).default([]),
  /** Leases that ended early. */
  revoked: z
    .array(
      z.object({
        step: z.int(),
        spanId: z.int(),
        leaseId: leaseIdSchema,
        nodeId: nodeIdSchema,
      }),
    )
    .default([]),
  /** Queued spans that are gone: what runs their tasks has ended. */
  dropped: z.array(z.object({ step: z.int(), spanId: z.int() })).default([]),
  /** Spans of a gang that wait again because one of its tasks has not succeeded. */
  requeued: z
    .array(z.object({ step: z.int(), spanId: z.int(), first: z.int(), last: z.int() }))
    .default([]),
  /** Tasks of the step that succeeded all at once, as a gang: what they did before was not told. */
  finished: z.array(z.int()).default([]),
  /** Steps that wait for a person now that their scouts have ended. */
  held: z.array(z.int()).default([]),
  /** Tasks of other steps may run now: see the job's list of releases. */
  release: z.boolean().default(false),
  /** Spans of failed tasks, to be queued after a delay. */
  retries: z.array(z.object({ spanId: z.int(), task: z.int(), failures: z.int() })).default([]),
});
export type Effects = z.infer<typeof effectsSchema>;

export const noEffects: Effects = {
  job: '',
  ready: [],
  ended: [],
  revoked: [],
  dropped: [],
  requeued: [],
  finished: [],
  held: [],
  release: false,
  retries: [],
};

export function parseEffects(reply: unknown): Effects {
  if (typeof reply !== 'string' || reply === '') return noEffects;
  return effectsSchema.parse(JSON.parse(reply));
}
