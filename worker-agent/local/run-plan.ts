import { pathMappingRuleSchema } from '@karst/shared/openjd/path-mapping-rules.ts';
import { resolvedJobSchema } from '@karst/shared/openjd/resolved-job.ts';
import { z } from 'zod';

/** What to run on this machine, without a farm: one line of JSON on standard input. */
export const runPlanSchema = z.strictObject({
  job: resolvedJobSchema,
  /** In this order. */
  steps: z.array(
    z.strictObject({
      /** Index in the job. */
      step: z.int().min(0),
      /** Task indices, in this order; all when absent. */
      tasks: z.array(z.int().min(0)).optional(),
    }),
  ),
  /** More tasks of a step are not run. */
  tasksMax: z.int().min(1).optional(),
  pathMappingRules: z.array(pathMappingRuleSchema),
  /** The session's directory stays. */
  preserve: z.boolean().optional(),
});
export type RunPlan = z.infer<typeof runPlanSchema>;
