import { z } from 'zod';
import type { Problem } from '../openjd/problem.ts';
import { readSource } from '../openjd/source.ts';
import { toJson } from '../openjd/template-value.ts';
import { jobChangeSchema } from '../protocol/job-change.ts';
import { placementSchema } from '../protocol/placement.ts';
import { policyFields, stepPolicyFields } from '../protocol/policy-fields.ts';
import { err, ok, type Result } from '../result.ts';
import { fieldMap, fieldProblems } from './field-problems.ts';

/** A policy as people write it into a file, whole or in part. */
export const policyMapSchema = fieldMap('policy', {
  ...policyFields,
  placement: fieldMap('placement', placementSchema.shape).optional(),
  steps: z.record(z.string(), fieldMap("a step's policy", stepPolicyFields)).optional(),
});

/** The same of what is to change in a job that is there. */
export const policyChangeMapSchema = fieldMap('a change of policy', jobChangeSchema.shape);

/** Reads a file that holds nothing but such a map. Every problem has line and column. */
export function readPolicyMap<T>(
  schema: z.ZodType<T>,
  source: string,
  format: 'yaml' | 'json',
): Result<T, Problem[]> {
  const document = readSource(source, format);
  if (!document.ok) return document;
  const { value, place } = document.value;
  const parsed = schema.safeParse(toJson(value));
  if (parsed.success) return ok(parsed.data);
  return err(fieldProblems(parsed.error.issues, value, []).map(place));
}
