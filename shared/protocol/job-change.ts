import { z } from 'zod';
import { type Policy, policySchema } from './job.ts';
import { type Placement, placementSchema } from './placement.ts';
import { type PolicyValues, policyFields, policyValuesSchema } from './policy-fields.ts';
import { pricesChangeSchema } from './prices.ts';

const place = placementSchema.shape;

const placementChangeSchema = z
  .strictObject({
    pool: place.pool.unwrap().nullable().optional(),
    regions: place.regions.unwrap().nullable().optional(),
    sites: place.sites.unwrap().nullable().optional(),
    providers: place.providers.unwrap().nullable().optional(),
    nodes: place.nodes.unwrap().nullable().optional(),
    avoidNodes: place.avoidNodes.unwrap().nullable().optional(),
    tags: place.tags.unwrap().nullable().optional(),
    gpuModels: place.gpuModels.unwrap().nullable().optional(),
    software: place.software.unwrap().nullable().optional(),
    maxLatencyMs: place.maxLatencyMs.unwrap().nullable().optional(),
    maxPrices: pricesChangeSchema
      .nullable()
      .optional()
      .describe('A kind that is absent keeps its cap; null for a kind: at any price.'),
  } satisfies Record<keyof Placement, z.ZodType>)
  .meta({ id: 'PlacementChange' });
export type PlacementChange = z.infer<typeof placementChangeSchema>;

const orNone = <T extends z.ZodType>(field: z.ZodOptional<T>, none: string) =>
  field.unwrap().nullable().optional().describe(none);

/** What of a job's policy may change while it is there. What is left out stays as it is. */
export const jobChangeSchema = z
  .strictObject({
    ...policyFields,
    placement: placementChangeSchema.optional().describe('null for a part: anywhere.'),
    limits: policyFields.limits.describe('Instead of all those it had.'),
    maxTasks: orNone(policyFields.maxTasks, 'null: no ceiling.'),
    maxNodes: orNone(policyFields.maxNodes, 'null: no ceiling.'),
    failureRules: policyFields.failureRules.describe(
      'Instead of all those it had. Leases that run already keep those they began with.',
    ),
    silentSeconds: orNone(policyFields.silentSeconds, 'null: no task is flagged.'),
    steps: z
      .never({
        error:
          'expected nothing: the order, scouts, hold, frame links, output checks and previews of steps stay as submitted (a held step is let go by its release)',
      })
      .optional()
      .describe('Never: steps stay as submitted.'),
  })
  .meta({ id: 'JobChange' });
export type JobChange = z.infer<typeof jobChangeSchema>;

/** `before` with what the change says; its nulls remove. */
function changed(before: object, change: object): Record<string, unknown> {
  const said = Object.entries(change).filter(([, value]) => value !== undefined);
  const all = Object.entries({ ...before, ...Object.fromEntries(said) });
  return Object.fromEntries(all.filter(([, value]) => value !== null));
}

/** Caps of prices are changed kind by kind: each is a wish of its own. */
function changedPlacement(before: Placement, change: PlacementChange): Record<string, unknown> {
  const where = changed(before, change);
  if (change.maxPrices === undefined || change.maxPrices === null) return where;
  const maxPrices = changed(before.maxPrices ?? {}, change.maxPrices);
  return changed(where, { maxPrices: Object.keys(maxPrices).length === 0 ? null : maxPrices });
}

/** What of `said` goes before `before`, part by part in placement and steps; null takes back. */
export function joinPolicies(before: PolicyValues, said: PolicyValues | JobChange): PolicyValues {
  const placement = changedPlacement(before.placement ?? {}, said.placement ?? {});
  const steps = { ...before.steps };
  for (const [name, step] of Object.entries(said.steps ?? {})) {
    steps[name] = { ...steps[name], ...step };
  }
  return policyValuesSchema.parse({
    ...changed(before, said),
    placement: Object.keys(placement).length === 0 ? undefined : placement,
    steps: Object.keys(steps).length === 0 ? undefined : steps,
  });
}

export function changePolicy(policy: Policy, { placement = {}, ...change }: JobChange): Policy {
  const where = changedPlacement(policy.placement, placement);
  return policySchema.parse({ ...changed(policy, change), placement: where });
}

/** Whether agents that keep the definition of the job's steps have to fetch it anew. */
export const changesDefinition = (change: JobChange): boolean =>
  change.failureRules !== undefined ||
  change.silentSeconds !== undefined ||
  change.onSilent !== undefined;
