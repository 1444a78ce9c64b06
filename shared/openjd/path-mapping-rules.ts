import { z } from 'zod';

/** One of OpenJD's path mapping rules: where paths of the submitter's machine are on this one. */
export const pathMappingRuleSchema = z.strictObject({
  source_path_format: z.enum(['POSIX', 'WINDOWS']),
  source_path: z.string().min(1),
  destination_path: z.string().min(1),
});
export type PathMappingRule = z.infer<typeof pathMappingRuleSchema>;

/** The file that `Session.PathMappingRulesFile` names, and that `karst run` takes. */
export const pathMappingFileSchema = z.object({
  version: z.literal('pathmapping-1.0'),
  path_mapping_rules: z.array(pathMappingRuleSchema),
});
