import { z } from 'zod';
import { jobIdSchema } from './ids.ts';
import { failureKindSchema } from './task.ts';

const timestamp = z.iso.datetime();

/** lost: the node was gone while it ran the task. */
export const evidenceKindSchema = z.enum([...failureKindSchema.options, 'lost']);

/** Why a node gets no work, and how it comes back. */
export const quarantineSchema = z
  .object({
    since: timestamp,
    until: timestamp.describe('From then on it is on probation.'),
    probation: z
      .boolean()
      .describe('It gets one lease at a time: a success clears it, a failure doubles the time.'),
    reason: z.string(),
    evidence: z
      .array(
        z.object({
          jobId: jobIdSchema,
          step: z.string(),
          task: z.int().min(0),
          kind: evidenceKindSchema,
          at: timestamp,
        }),
      )
      .describe('Its last failures, oldest first.'),
  })
  .meta({ id: 'Quarantine' });
export type Quarantine = z.infer<typeof quarantineSchema>;
