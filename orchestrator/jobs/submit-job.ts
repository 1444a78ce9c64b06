import type { Clock } from '@karst/shared/clock.ts';
import { createJob } from '@karst/shared/openjd/create-job.ts';
import { parseTemplate, validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import type { Problem, RawProblem } from '@karst/shared/openjd/problem.ts';
import type { ResolvedJob } from '@karst/shared/openjd/resolved-job.ts';
import { outputCheckProblems } from '@karst/shared/outputs/check-problems.ts';
import { unknownRuleSteps } from '@karst/shared/protocol/failure-rules.ts';
import { wholeDependencies } from '@karst/shared/protocol/frame-dependencies.ts';
import type { JobId, StudioId } from '@karst/shared/protocol/ids.ts';
import type { Job, Submission } from '@karst/shared/protocol/job.ts';
import type { FieldError, ProblemCode } from '@karst/shared/protocol/problem.ts';
import { stepPolicyProblems } from '@karst/shared/protocol/step-policies.ts';
import { ProblemError } from '../http/handler.ts';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { DeletionStore } from '../store/deletion-store.ts';
import type { JobStore } from '../store/job-store.ts';
import type { Ledger } from '../store/ledger.ts';
import type { StorageUseStore } from '../store/storage-use-store.ts';
import type { Aftermath } from './aftermath.ts';
import type { AssetPresence } from './asset-presence.ts';
import { checkPolicy, type PolicyParts } from './check-policy.ts';
import { hasCeilings, jobCeilings } from './job-ceilings.ts';
import { putJobFile } from './job-file.ts';
import { checkInputs, locate, withOutputs } from './job-files.ts';
import type { StorageQuota } from './storage-quota.ts';

export interface SubmitParts extends PolicyParts {
  jobs: JobStore;
  objects: ObjectStore;
  ledger: Ledger;
  deletions: DeletionStore;
  presence: AssetPresence;
  quota: StorageQuota;
  storageUse: StorageUseStore;
  aftermath: Aftermath;
  clock: Clock;
  tasksPerJobMax: number;
}

const deleted = (jobId: JobId) =>
  new ProblemError('conflict', `The job of this Idempotency-Key, ${jobId}, was deleted.`);

/** A submission that has passed every check and changed nothing yet. */
export interface CheckedSubmission {
  submission: Submission;
  job: ResolvedJob;
  locations: Record<string, string>;
  /** Its inputs were found at this time or later, ms. */
  checkedAtMs: number;
}

/** Problems of parameter values stand at ['parameters', name]; every other path is the template's. */
function refuse(code: ProblemCode, problems: readonly Problem[]): never {
  const errors: FieldError[] = problems.map(({ path, message, line, column }) => ({
    path: path[0] === 'parameters' ? [...path] : ['template', ...path],
    message,
    line,
    column,
  }));
  const first = errors[0];
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  throw new ProblemError(code, `${first?.message ?? 'not valid'}${more}`, errors);
}

function refuseSteps(problems: readonly RawProblem[]): void {
  const [first] = problems;
  if (first === undefined) return;
  const errors = problems.map(({ path, message }) => ({ path: [...path], message }));
  throw new ProblemError('invalid_request', first.message, errors);
}

/**
 * Checks a submission completely. Nothing is stored.
 * Throws ProblemError invalid_template, invalid_parameters, invalid_request, invalid_policy or missing_inputs.
 */
export async function checkSubmission(
  parts: SubmitParts,
  studio: StudioId,
  submission: Submission,
): Promise<CheckedSubmission> {
  const template =
    typeof submission.template === 'string'
      ? parseTemplate(submission.template)
      : validateTemplate(submission.template);
  if (!template.ok) refuse('invalid_template', template.error);
  const parsed = 'template' in template.value ? template.value.template : template.value;
  const created = createJob(parsed, submission.parameters, {
    tasksPerJobMax: parts.tasksPerJobMax,
  });
  if (!created.ok) {
    const ofTemplate = created.error.some(({ path }) => path[0] !== 'parameters');
    refuse(ofTemplate ? 'invalid_template' : 'invalid_parameters', created.error);
  }
  const stepNames = created.value.steps.map(({ name }) => name);
  const { steps, failureRules } = submission.policy;
  refuseSteps([
    ...stepPolicyProblems(created.value, steps),
    ...unknownRuleSteps(stepNames, failureRules),
  ]);
  await checkPolicy(parts, studio, submission.policy, ['policy']);
  const checkedAtMs = parts.clock.nowMs();
  const locations = locate(created.value, submission);
  const whole = withOutputs(created.value, locations, submission);
  refuseSteps(outputCheckProblems(whole, steps));
  await checkInputs(parts.presence, studio, created.value, locations, submission);
  return { submission, checkedAtMs, ...whole };
}

/**
 * Stores a checked submission under `jobId` and lets it run; repeating it changes nothing, and
 * completes what a crash cut off. S3 first: a job that Redis knows can always be rebuilt.
 * Throws ProblemError quota_exceeded, conflict, store_unavailable.
 */
export async function storeSubmission(
  parts: SubmitParts,
  studio: StudioId,
  jobId: JobId,
  { submission, job, locations, checkedAtMs }: CheckedSubmission,
): Promise<Job> {
  const existing = await parts.jobs.read(jobId);
  if (existing === undefined && (await parts.jobs.isDeleted(jobId))) throw deleted(jobId);
  if (existing === undefined) await parts.quota.requireRoom(studio, 0);
  const createdAtMs = existing ? Date.parse(existing.createdAt) : parts.clock.nowMs();
  const { project, inputs, pathMapping, paused } = submission;
  // What a person has changed since stands.
  const policy = existing?.policy ?? submission.policy;
  const stored = existing && (await parts.jobs.readDefinition(jobId))?.definition;
  const definition = stored ?? {
    job,
    locations,
    ...(pathMapping.length === 0 ? {} : { pathMapping }),
    inputCount: inputs.length,
  };
  const record = { id: jobId, studio, project, policy, definition, createdAtMs };
  await Promise.all([
    putJobFile(parts.objects, record),
    inputs.length === 0
      ? undefined
      : parts.objects.putJson(objectKeys.inputs(studio, jobId), inputs),
  ]);
  if (parts.clock.nowMs() - checkedAtMs > parts.presence.trustedMs) {
    // This process stood still for hours: its inputs may have been collected before they were listed.
    if (existing === undefined)
      await parts.deletions.list(jobId, { studio, steps: job.steps.length });
    throw new ProblemError('store_unavailable', 'The submission took too long: send it again.');
  }
  if (hasCeilings(record)) {
    await parts.ledger.setCeilings(jobCeilings({ ...record, state: existing?.state ?? 'pending' }));
  }
  if (!(await parts.jobs.create({ ...record, paused }))) {
    // It was made, ended and deleted by others meanwhile: what was just written goes too.
    await parts.deletions.list(jobId, { studio, steps: job.steps.length });
    throw deleted(jobId);
  }
  if (existing === undefined) await parts.storageUse.submitted(studio, inputs);
  const whole = wholeDependencies(job, policy.steps);
  const ready = whole.flatMap((dependencies, i) => (dependencies.length === 0 ? [i] : []));
  await parts.aftermath.jobCreated(jobId, ready);
  const created = await parts.jobs.read(jobId);
  if (created === undefined) throw new Error(`job ${jobId} vanished while it was stored`);
  return created;
}
