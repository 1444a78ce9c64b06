import { createJob } from '@karst/shared/openjd/create-job.ts';
import { accepted, lines, type TemplateParts, templateWith } from './cases.ts';

export type { TemplateParts } from './cases.ts';
export type Values = Record<string, string | number>;

/** The job of a template and values that must be accepted. */
export function created(parts: TemplateParts, values: Values = {}, options = {}) {
  const job = createJob(accepted(templateWith(parts)), values, options);
  if (!job.ok) throw new Error(lines(job.error).join('\n'));
  return job.value;
}

/** The problems of a template or values, one line each; '(created)' when there are none. */
export function refused(parts: TemplateParts, values: Values = {}, options = {}): string[] {
  const job = createJob(accepted(templateWith(parts)), values, options);
  return job.ok ? ['(created)'] : lines(job.error);
}
