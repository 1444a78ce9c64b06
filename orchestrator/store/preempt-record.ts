import { jobIdSchema, leaseIdSchema } from '@karst/shared/protocol/ids.ts';
import { priorityClassSchema } from '@karst/shared/protocol/job.ts';
import { resourcesSchema } from '@karst/shared/protocol/lease.ts';
import { z } from 'zod';

/** Why leases are ended: they are of a lower class, or of a studio above its guaranteed tasks. */
export const preemptReasonSchema = z.enum(['class', 'guarantee']);
export type PreemptReason = z.infer<typeof preemptReasonSchema>;

const victimSchema = z.object({
  leaseId: leaseIdSchema,
  studio: z.string(),
  priorityClass: priorityClassSchema,
  grantedAtMs: z.number(),
  graceSeconds: z.int(),
});
export type Victim = z.infer<typeof victimSchema>;

/** Room for one lease of a step on a node: leases that end for it, then what is kept for it. */
export const preemptSchema = z.object({
  id: z.uuid(),
  jobId: jobIdSchema,
  step: z.int(),
  studio: z.string(),
  priorityClass: priorityClassSchema,
  /** gang: no lease is ended, the room is kept while that of the gang's other tasks is freed. */
  reason: z.union([preemptReasonSchema, z.literal('gang')]),
  victims: z.array(victimSchema),
  /** When all of a gang's room is expected to be free: until then short tasks may use this. */
  startsAtMs: z.number().optional(),
  /** What the lease will reserve; absent: its slot alone. */
  resources: resourcesSchema.optional(),
  /** The victims are taken back by then. */
  backByMs: z.number(),
  /** The room is nobody's any more. */
  keptUntilMs: z.number(),
});
export type Preempt = z.infer<typeof preemptSchema>;

/** What people read of it; neither job nor studio that it was done for are told to the other studio. */
export const preemptMessage = ({ reason, priorityClass }: Preempt): string =>
  reason === 'class'
    ? `preempted by work of class ${priorityClass}; it runs again`
    : 'preempted for a studio below its guaranteed tasks; it runs again';

/** The node hash's field `preempts`: a line for each, its id first. */
export const parsePreempts = (text: string): Preempt[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => preemptSchema.parse(JSON.parse(line.slice(line.indexOf(' ') + 1))));
