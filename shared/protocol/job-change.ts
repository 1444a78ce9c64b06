import { z } from 'zod';
import { type Policy, policySchema } from './job.ts';
import { placementSchema } from './placement.ts';

const { shape } = policySchema;
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
  })
  .meta({ id: 'PlacementChange' });

/** What of a job's policy may change while it is there. What is left out stays as it is. */
export const jobChangeSchema = z
  .strictObject({
    priority: shape.priority.unwrap().optional(),
    priorityClass: shape.priorityClass.unwrap().optional(),
    placement: placementChangeSchema.optional().describe('null for a part: anywhere.'),
    limits: shape.limits.unwrap().optional().describe('Instead of all those it had.'),
    maxTasks: shape.maxTasks.unwrap().nullable().optional().describe('null: no ceiling.'),
    maxNodes: shape.maxNodes.unwrap().nullable().optional().describe('null: no ceiling.'),
    maxRetriesPerTask: shape.maxRetriesPerTask.unwrap().optional(),
    maxFailedTasks: shape.maxFailedTasks.unwrap().optional(),
    preemptible: shape.preemptible.unwrap().optional(),
    preemptGraceSeconds: shape.preemptGraceSeconds.unwrap().optional(),
  })
  .meta({ id: 'JobChange' });
export type JobChange = z.infer<typeof jobChangeSchema>;

/** `before` with what the change says; its nulls remove. */
function changed(before: object, change: object): Record<string, unknown> {
  const said = Object.entries(change).filter(([, value]) => value !== undefined);
  const all = Object.entries({ ...before, ...Object.fromEntries(said) });
  return Object.fromEntries(all.filter(([, value]) => value !== null));
}

export function changePolicy(policy: Policy, { placement = {}, ...change }: JobChange): Policy {
  const where = changed(policy.placement, placement);
  return policySchema.parse({ ...changed(policy, change), placement: where });
}
