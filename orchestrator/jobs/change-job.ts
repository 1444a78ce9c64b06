import type { Clock } from '@karst/shared/clock.ts';
import { unknownRuleSteps } from '@karst/shared/protocol/failure-rules.ts';
import type { JobId, StudioId } from '@karst/shared/protocol/ids.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import {
  changePolicy,
  changesDefinition,
  type JobChange,
} from '@karst/shared/protocol/job-change.ts';
import type { WakeBus } from '../dispatch/wake-bus.ts';
import { ProblemError } from '../http/handler.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { JobStore } from '../store/job-store.ts';
import type { Ledger } from '../store/ledger.ts';
import { checkPolicy, type PolicyParts } from './check-policy.ts';
import { jobCeilings } from './job-ceilings.ts';
import { spreadJob } from './spread-job.ts';

export interface ChangeParts extends PolicyParts {
  jobs: JobStore;
  objects: ObjectStore;
  ledger: Ledger;
  bus: WakeBus;
  clock: Clock;
}

/**
 * Changes a job's policy: in Redis, then its ceilings in the ledger, then job.json. The caller wakes
 * its steps. Undefined: there is no such job. Throws ProblemError invalid_request, invalid_policy.
 */
export async function changeJob(
  parts: ChangeParts,
  studio: StudioId,
  jobId: JobId,
  change: JobChange,
): Promise<Job | undefined> {
  const { jobs, bus, clock } = parts;
  const before = await jobs.read(jobId);
  if (before === undefined) return undefined;
  await checkRules(jobs, jobId, change);
  // What it names already stays its own affair: a limit may be gone since it was submitted.
  const { limits = [], placement, priorityClass } = change;
  const changed = changePolicy(before.policy, change);
  const where = placement === undefined && priorityClass === undefined ? {} : changed.placement;
  const asked = { limits, placement: where, priorityClass: changed.priorityClass };
  await checkPolicy(parts, studio, asked, []);
  const redefinedAtMs = changesDefinition(change) ? clock.nowMs() : undefined;
  await jobs.changePolicy(jobId, (policy) => changePolicy(policy, change), redefinedAtMs);
  const job = await spreadJob(parts, jobId);
  // A counter found full before may have room now.
  if (job !== undefined) bus.send({ kind: 'gates', names: [...jobCeilings(job).keys()] });
  return job;
}

/** Refuses rules about steps that the job lacks. */
async function checkRules(
  jobs: JobStore,
  jobId: JobId,
  { failureRules = [] }: JobChange,
): Promise<void> {
  const steps = (await jobs.definition(jobId))?.job.steps ?? [];
  const names = steps.map(({ name }) => name);
  const errors = unknownRuleSteps(names, failureRules).map(({ path, message }) => ({
    path: path.slice(1),
    message,
  }));
  const [first] = errors;
  if (first !== undefined) throw new ProblemError('invalid_request', first.message, errors);
}
