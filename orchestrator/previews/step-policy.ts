import {
  type Job,
  type StepPreviewsPolicy,
  stepPreviewsPolicySchema,
} from '@karst/shared/protocol/job.ts';

/** What a job's policy says of the previews of one of its steps. */
export const previewPolicy = (
  { policy }: Pick<Job, 'policy'>,
  stepName: string,
): StepPreviewsPolicy => policy.steps[stepName]?.previews ?? stepPreviewsPolicySchema.parse({});
