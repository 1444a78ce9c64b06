import { z } from 'zod';
import { type Policy, policySchema, type StepPolicy, stepPolicySchema } from './job.ts';

const { shape } = policySchema;
const step = stepPolicySchema.shape;

/** A field that may be left out, and then says nothing: no default takes its place. */
const said = <T extends z.ZodType>(field: z.ZodDefault<T>) => {
  const optional = field.unwrap().optional();
  return field.description === undefined ? optional : optional.describe(field.description);
};

/** Every field of a step's policy, as policyFields. */
export const stepPolicyFields = {
  hold: said(step.hold),
  order: said(step.order),
  scout: step.scout,
  frameDependencies: step.frameDependencies,
  outputs: step.outputs,
  previews: step.previews,
  gang: step.gang,
} satisfies Record<keyof StepPolicy, z.ZodType>;

/**
 * Every field of a policy as it is said about a job: in a recipe, a bundle, by a flag, or to change
 * one that is there. The compiler tells when a policy has a field that is not here.
 */
export const policyFields = {
  priorityClass: said(shape.priorityClass),
  placement: shape.placement.unwrap().optional(),
  limits: said(shape.limits),
  maxTasks: shape.maxTasks,
  maxNodes: shape.maxNodes,
  priority: said(shape.priority),
  maxRetriesPerTask: said(shape.maxRetriesPerTask),
  maxFailedTasks: said(shape.maxFailedTasks),
  failureRules: said(shape.failureRules),
  poisonNodes: said(shape.poisonNodes),
  silentSeconds: shape.silentSeconds,
  onSilent: said(shape.onSilent),
  rerunSlowTasks: said(shape.rerunSlowTasks),
  preemptible: said(shape.preemptible),
  preemptGraceSeconds: said(shape.preemptGraceSeconds),
  steps: z.record(z.string(), z.strictObject(stepPolicyFields)).optional(),
} satisfies Record<keyof Policy, z.ZodType>;

export const policyValuesSchema = z.strictObject(policyFields);
/** What somebody says of a job's policy; the farm's defaults hold for the rest. */
export type PolicyValues = z.infer<typeof policyValuesSchema>;
