import { z } from 'zod';
import { gangReadySchema, gangStartSchema } from './gang.ts';
import { jobIdSchema, leaseIdSchema, nodeIdSchema } from './ids.ts';
import { inventorySchema } from './inventory.ts';
import { grantSchema, leaseReportAnswerSchema, leaseReportSchema } from './lease.ts';
import { quarantineSchema } from './node-health.ts';
import { nodeSettingsSchema } from './node-settings.ts';

export { type Inventory, inventorySchema } from './inventory.ts';

const timestamp = z.iso.datetime();

/**
 * quarantined: it gets no work for what it failed. offline: its liveness deadline passed; its leases were taken
 * back.
 */
export const nodeStateSchema = z
  .enum(['online', 'draining', 'quarantined', 'offline'])
  .meta({ id: 'NodeState' });
export type NodeState = z.infer<typeof nodeStateSchema>;

export const nodeSchema = z
  .object({
    id: nodeIdSchema,
    name: z.string(),
    state: nodeStateSchema,
    drainReason: z.string().optional().describe('Why the farm gives it no work.'),
    quarantined: quarantineSchema.optional(),
    ...nodeSettingsSchema.shape,
    slots: z.int().min(0).describe('How many leases it runs at once.'),
    leaseCount: z.int().min(0),
    inventory: inventorySchema.optional().describe('Absent until its first sync.'),
    message: z.string().optional().describe('Why it takes no work, if it says so.'),
    preempting: z
      .array(
        z.object({
          jobId: jobIdSchema.describe('For whom room is made.'),
          step: z.int().min(0),
          leases: z.array(leaseIdSchema).describe('Leases to be ended for it.'),
          keptUntil: timestamp.describe('Nobody else gets the room before.'),
        }),
      )
      .optional()
      .describe('Room being made, or kept, for steps that go before what runs here.'),
    enrolledAt: timestamp,
    lastSyncAt: timestamp.optional(),
  })
  .meta({ id: 'Node' });
export type Node = z.infer<typeof nodeSchema>;

export const nodeNameSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'expected 1 to 63 letters, digits, . _ -');

/** The public half of the node's Ed25519 key, as a JWK (RFC 8037). */
export const publicKeySchema = z.strictObject({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'expected 32 bytes as base64url'),
});

export const enrollSchema = z.strictObject({ name: nodeNameSchema, publicKey: publicKeySchema });
export const enrolledSchema = z.object({ nodeId: nodeIdSchema });

export const enrollmentTokenRequestSchema = z.strictObject({
  ttlSeconds: z
    .int()
    .min(10)
    .max(7 * 86_400)
    .default(3600),
});
export const enrollmentTokenSchema = z.object({
  token: z.string().describe('Good for one enrolment. Shown once.'),
  expiresAt: timestamp,
});

/** The audience of node JWTs (RFC 7519 `aud`), signed EdDSA with `sub` = node id, at most 10 minutes old. */
export const NODE_TOKEN_AUDIENCE = 'karst';
export const NODE_TOKEN_LIFETIME_MAX_SECONDS = 600;

/** Jobs that a node names as those whose inputs it has. */
export const WARM_JOBS_MAX = 8;

/**
 * The one call of an agent. Idempotent: repeat it whole (with a new seq) when no answer came.
 * A newer seq supersedes an older call of the same boot that still waits; an older bootId is refused
 * with `node_superseded`.
 */
export const syncRequestSchema = z
  .strictObject({
    bootId: z.uuid().describe('New for each start of the agent process.'),
    bootedAtMs: z
      .number()
      .min(0)
      .describe("The process's start by the node's clock; orders boots."),
    seq: z.int().min(1).describe('Counts up with every call of this boot.'),
    inventory: inventorySchema.optional().describe('On the first call of a boot, and on change.'),
    slots: z.int().min(0).max(4096).describe('How many leases the node runs at once.'),
    wanted: z.int().min(0).max(4096).describe('How many more leases it can take now.'),
    draining: z.boolean().default(false).describe('The agent is about to stop: grant nothing.'),
    message: z.string().max(500).optional().describe('Why it wants no work, for people.'),
    held: z
      .array(leaseIdSchema)
      .max(8192)
      .describe('Every lease it holds or still has results of, those reported here included.'),
    preempting: z
      .array(leaseIdSchema)
      .max(8192)
      .default([])
      .describe('Held leases that it is ending because it was told to: not told again.'),
    ready: z
      .array(gangReadySchema)
      .max(4096)
      .default([])
      .describe('Held leases of gangs that wait for the others: told until they are to begin.'),
    warm: z
      .array(jobIdSchema)
      .max(WARM_JOBS_MAX)
      .default([])
      .describe('Jobs whose inputs it has in its cache, those used last first.'),
    reports: z.array(leaseReportSchema).max(4096).default([]),
    progress: z
      .array(
        z.strictObject({
          leaseId: leaseIdSchema,
          task: z.int().min(0),
          percent: z.number().min(0).max(100).optional(),
          status: z.string().max(1024).optional(),
          silentSeconds: z
            .int()
            .min(0)
            .optional()
            .describe('Since when it prints nothing, once that is too long.'),
        }),
      )
      .max(4096)
      .default([]),
    waitMs: z
      .int()
      .min(0)
      .max(60_000)
      .default(0)
      .describe(
        'Long poll: how long the answer may wait for work. Ignored with reports to answer.',
      ),
  })
  .meta({ id: 'SyncRequest' });
export type SyncRequest = z.infer<typeof syncRequestSchema>;
export type SyncRequestInput = z.input<typeof syncRequestSchema>;

/** A step that a node likely gets next. */
export const prefetchHintSchema = z.object({ jobId: jobIdSchema, step: z.int().min(0) });
export type PrefetchHint = z.infer<typeof prefetchHintSchema>;

export const syncResponseSchema = z
  .object({
    seq: z.int().describe("The request's, echoed."),
    serverTimeMs: z.number().describe('So that a node with a wrong clock knows its offset.'),
    livenessMs: z
      .number()
      .describe(
        'The node loses all leases this long after the orchestrator received its last call; an agent counts from when it sent that call, on its monotonic clock, and kills its tasks then.',
      ),
    nextSyncMs: z.number().describe('Call again at the latest this long after this answer.'),
    grants: z.array(grantSchema),
    reports: z.array(leaseReportAnswerSchema).describe('One for each report, in order.'),
    lost: z
      .array(leaseIdSchema)
      .describe(
        'Held leases that are no longer the node’s (expired, canceled, requeued): kill them.',
      ),
    preempt: z
      .array(
        z.object({
          leaseId: leaseIdSchema,
          graceSeconds: z.int().min(0).max(600),
          message: z.string().max(500).describe('Why, for people.'),
        }),
      )
      .optional()
      .describe(
        'Held leases to end the way their templates say, within the grace, and to give back: others need the room.',
      ),
    start: z
      .array(gangStartSchema)
      .optional()
      .describe('Of the leases told to be ready, those whose gang begins now.'),
    prefetch: z
      .array(prefetchHintSchema)
      .max(1)
      .optional()
      .describe(
        'What the node likely gets next: it may fetch the inputs into its cache. Empty: nothing. Absent: as told before.',
      ),
    draining: z
      .boolean()
      .describe('An operator or the schedule stops this node: finish and take nothing new.'),
    drainReason: z.string().max(500).optional().describe('Why it is draining, for people.'),
    hardStop: z
      .boolean()
      .optional()
      .describe('With draining: kill what runs and give every lease back at once.'),
  })
  .meta({ id: 'SyncResponse' });
export type SyncResponse = z.infer<typeof syncResponseSchema>;
