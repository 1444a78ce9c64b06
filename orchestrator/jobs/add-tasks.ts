import type { Clock } from '@karst/shared/clock.ts';
import { extendStep } from '@karst/shared/openjd/extend-step.ts';
import { suggestion } from '@karst/shared/openjd/near-miss.ts';
import type { RawProblem } from '@karst/shared/openjd/problem.ts';
import { quote } from '@karst/shared/openjd/text-rules.ts';
import type { AddTasks } from '@karst/shared/protocol/added-tasks.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import { type Job, terminalJobStates } from '@karst/shared/protocol/job.ts';
import { ProblemError } from '../http/handler.ts';
import { bodyHash } from '../http/idempotency.ts';
import type { Effects } from '../store/effects.ts';
import type { ExtensionStore } from '../store/extension-store.ts';
import type { JobDefinition, StepRecord } from '../store/job-record.ts';
import type { Aftermath } from './aftermath.ts';
import { putJobFile } from './job-file.ts';
import { type SpreadParts, spreadJob } from './spread-job.ts';

/** Others may change the job at once; more often than this they don't. */
const TRIES_MAX = 20;

export interface AddTasksParts extends SpreadParts {
  extensions: ExtensionStore;
  aftermath: Aftermath;
  clock: Clock;
  tasksPerJobMax: number;
}

/** Tasks of a step, both ends included. */
export interface AddedRange {
  step: number;
  first: number;
  last: number;
}

/**
 * Adds tasks to a step. Storage has them first, so that a job that Redis knows can always be rebuilt;
 * then one Lua call; then what follows. A call that is repeated under its key completes that.
 * Throws ProblemError invalid_request, not_found, conflict, idempotency_key_reused.
 */
export async function addTasks(
  parts: AddTasksParts,
  job: Job,
  body: AddTasks,
  key: string | undefined,
): Promise<AddedRange> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const former = await formerCall(parts, job, body, key);
    if (former !== undefined) {
      await follow(parts, job, former.step);
      return former;
    }
    const added = await tryToAdd(parts, job, body, key);
    if (added !== undefined) return added;
  }
  throw new ProblemError('conflict', 'The job changes all the time: try again.');
}

async function formerCall(
  { extensions }: AddTasksParts,
  job: Job,
  body: AddTasks,
  key: string | undefined,
): Promise<AddedRange | undefined> {
  const former = key === undefined ? undefined : await extensions.formerCall(job.id, key);
  if (former === undefined) return undefined;
  if (former.bodyHash !== bodyHash(body)) {
    throw new ProblemError(
      'idempotency_key_reused',
      `The key "${key}" was used for other tasks; take a new key for these.`,
    );
  }
  const { step, first, last } = former;
  return { step, first, last };
}

/** Undefined: the job was changed meanwhile. */
async function tryToAdd(
  parts: AddTasksParts,
  { id }: Job,
  body: AddTasks,
  key: string | undefined,
): Promise<AddedRange | undefined> {
  const { jobs, objects, extensions, clock } = parts;
  const [job, stored] = [await jobs.read(id), await jobs.readDefinition(id)];
  if (job === undefined || stored === undefined) {
    throw new ProblemError('not_found', `There is no job ${id}.`);
  }
  const { steps } = stored.definition.job;
  const step = stepNamed(stored.definition, body.step);
  if (job.policy.steps[body.step]?.gang !== undefined) {
    throw new ProblemError('conflict', 'The tasks of a gang run all at once: none can be added.');
  }
  checkStates(job, await jobs.step(id, step));
  const tasks = steps.reduce((sum, { taskCount }) => sum + taskCount, 0);
  const resolved = steps[step];
  if (resolved === undefined) throw new Error(`job ${id} has lost step ${step}`);
  const extended = extendStep(resolved, body.ranges, { tasks, tasksMax: parts.tasksPerJobMax });
  if (!extended.ok) throw refusal(extended.error);
  const { first, last } = extended.value;
  const definition: JobDefinition = {
    ...stored.definition,
    job: { ...stored.definition.job, steps: steps.with(step, extended.value.step) },
  };
  await putJobFile(objects, { ...job, definition, createdAtMs: Date.parse(job.createdAt) });
  const record = { bodyHash: bodyHash(body), step, first, last };
  const extension = {
    step,
    tasks: last - first + 1,
    sha1: stored.sha1,
    definition,
    ...(key === undefined ? {} : { call: { key, record } }),
  };
  const effects = await extensions.extend(id, extension, clock.nowMs());
  if (effects === undefined) {
    // Storage had them first: it is told again what there is.
    await spreadJob(parts, id);
    return undefined;
  }
  await follow(parts, job, step, effects);
  return { step, first, last };
}

/** What is outside the job's own keys; harmless when repeated. */
async function follow(
  parts: AddTasksParts,
  { id }: Job,
  step: number,
  effects?: Effects,
): Promise<void> {
  const { aftermath, jobs } = parts;
  if (effects !== undefined) await aftermath.apply(id, step, effects);
  else await completeReopening(parts, id);
  const state = (await jobs.step(id, step))?.state;
  if (state === 'ready' || state === 'running') await aftermath.stepReady(id, step);
  await spreadJob(parts, id);
  await aftermath.jobChanged(id);
}

/** For a call that died behind the Lua call. */
async function completeReopening({ aftermath, jobs }: AddTasksParts, id: JobId): Promise<void> {
  const state = (await jobs.read(id))?.state;
  if (state !== undefined && !terminalJobStates.has(state)) {
    await aftermath.jobStateChanged(id, state);
  }
  await aftermath.releaseFrames(id);
}

function stepNamed({ job }: JobDefinition, name: string): number {
  const index = job.steps.findIndex((step) => step.name === name);
  if (index >= 0) return index;
  const names = job.steps.map((step) => step.name);
  const message = `the job has no step ${quote(name)}${suggestion(name, names)} (expected ${names.join(', ')})`;
  throw new ProblemError('invalid_request', message, [{ path: ['step'], message }]);
}

/** As extend_step.lua. */
function checkStates(job: Job, step: StepRecord | undefined): void {
  if (job.state === 'canceled') {
    throw new ProblemError('conflict', 'The job was canceled by a person: submit it again.');
  }
  if (job.state === 'failed') {
    throw new ProblemError('conflict', 'The job has failed: retry it first.');
  }
  if (step === undefined) return;
  if (step.state === 'failed' || step.state === 'canceled') {
    throw new ProblemError('conflict', `The step has ${step.state}: retry it first.`);
  }
  if (step.canceled > 0) {
    throw new ProblemError('conflict', 'Tasks of the step were canceled: retry it first.');
  }
}

function refusal(problems: readonly RawProblem[]): ProblemError {
  const errors = problems.map(({ path, message }) => ({ path: [...path], message }));
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  return new ProblemError('invalid_request', `${errors[0]?.message}${more}`, errors);
}
