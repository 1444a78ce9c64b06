import { type Job, terminalJobStates } from '@karst/shared/protocol/job.ts';
import { stepsToRetry } from '../../domain/steps-to-retry.ts';
import { type AddTasksParts, addTasks } from '../../jobs/add-tasks.ts';
import { type ChangeParts, changeJob } from '../../jobs/change-job.ts';
import type { ControlStore } from '../../store/control-store.ts';
import { isReleasable, mayRun, stepOf } from '../../store/job-record.ts';
import { type Handlers, ProblemError } from '../handler.ts';
import { ownJob } from './jobs.ts';

type ControlHandlers = Pick<
  Handlers,
  'addTasks' | 'cancelJob' | 'pauseJob' | 'releaseStep' | 'resumeJob' | 'retryJob' | 'setJob'
>;

const ended = (job: Job) => new ProblemError('conflict', `The job has ${job.state} already.`);

export function jobControlHandlers(
  parts: ChangeParts & AddTasksParts & { control: ControlStore; spanTasksMax: number },
): ControlHandlers {
  const { jobs, control, aftermath } = parts;

  /** Wakes every step that may run: their rank or their right to run changed. */
  async function wake(job: Job): Promise<void> {
    for (const [index, step] of (await jobs.steps(job.id, job.stepCount)).entries()) {
      if (mayRun(step)) await aftermath.spansQueued(job.id, index, []);
    }
  }

  async function setPaused(job: Job, paused: boolean): Promise<void> {
    if (terminalJobStates.has(job.state)) throw ended(job);
    await control.setPaused(job.id, paused);
    await wake(job);
    await aftermath.jobChanged(job.id);
  }

  return {
    async cancelJob({ params }, { principal }) {
      const job = await ownJob(jobs, principal.studio, params.jobId);
      if (job.state === 'succeeded' || job.state === 'failed') throw ended(job);
      const { effects } = await control.cancel(job.id, aftermath.nowMs());
      await aftermath.apply(job.id, 0, effects);
      return await ownJob(jobs, principal.studio, job.id);
    },
    async pauseJob({ params }, { principal }) {
      await setPaused(await ownJob(jobs, principal.studio, params.jobId), true);
      return await ownJob(jobs, principal.studio, params.jobId);
    },
    async resumeJob({ params }, { principal }) {
      await setPaused(await ownJob(jobs, principal.studio, params.jobId), false);
      return await ownJob(jobs, principal.studio, params.jobId);
    },
    async addTasks({ params, body }, { principal, idempotencyKey }) {
      const job = await ownJob(jobs, principal.studio, params.jobId);
      const { step, first, last } = await addTasks(parts, job, body, idempotencyKey);
      const records = await jobs.steps(job.id, job.stepCount);
      const record = records[step];
      if (record === undefined) throw new Error(`job ${job.id} has lost step ${step}`);
      const names = records.map(({ name }) => name);
      const startedDependents = record.dependents.flatMap((index) => {
        const dependent = records[index];
        const hasBegun = dependent?.state === 'running' || dependent?.state === 'succeeded';
        return hasBegun ? [dependent.name] : [];
      });
      return {
        step: stepOf(step, record, names),
        first,
        last,
        ...(startedDependents.length === 0 ? {} : { startedDependents }),
      };
    },
    async releaseStep({ params }, { principal }) {
      const job = await ownJob(jobs, principal.studio, params.jobId);
      const steps = await jobs.steps(job.id, job.stepCount);
      const index = steps.findIndex(({ name }) => name === params.step);
      const step = steps[index];
      if (step === undefined) {
        throw new ProblemError('not_found', `The job has no step "${params.step}".`);
      }
      if (isReleasable(step)) {
        if (terminalJobStates.has(job.state)) throw ended(job);
        await control.releaseStep(job.id, index);
      }
      const released = (await jobs.step(job.id, index)) ?? step;
      if (isReleasable(step)) {
        if (mayRun(released)) await aftermath.stepReady(job.id, index);
        await aftermath.jobChanged(job.id);
      }
      const names = steps.map(({ name }) => name);
      return stepOf(index, released, names);
    },
    async setJob({ params, body }, { principal }) {
      const job = await ownJob(jobs, principal.studio, params.jobId);
      await changeJob(parts, principal.studio, job.id, body);
      await wake(job);
      await aftermath.jobChanged(job.id);
      return await ownJob(jobs, principal.studio, job.id);
    },
    async retryJob({ params, body }, { principal }) {
      const job = await ownJob(jobs, principal.studio, params.jobId);
      if (job.state === 'canceled') {
        throw new ProblemError('conflict', 'The job was canceled by a person: submit it again.');
      }
      const steps = await jobs.steps(job.id, job.stepCount);
      if (body.step !== undefined && !steps.some((step) => step.name === body.step)) {
        throw new ProblemError('not_found', `The job has no step "${body.step}".`);
      }
      const graph = steps.map(({ name, state, deps, unfed_canceled }) => ({
        name,
        // What it lost with another step comes back with that.
        state: unfed_canceled === undefined || state === 'failed' ? state : 'canceled',
        dependsOn: deps === '' ? [] : deps.split(',').map(Number),
      }));
      const indices = stepsToRetry(graph, body.step);
      if (body.step !== undefined && !indices.some((i) => steps[i]?.name === body.step)) {
        throw new ProblemError('conflict', 'The step waits for another that failed: retry that.');
      }
      let retried = 0;
      for (const index of indices) {
        const result = await control.retryStep(
          job.id,
          index,
          aftermath.nowMs(),
          parts.spanTasksMax,
        );
        retried += result.retried;
        await aftermath.apply(job.id, index, result.effects);
        await aftermath.spansQueued(job.id, index, result.spanIds);
      }
      if (retried > 0) await aftermath.jobChanged(job.id);
      return { retried };
    },
  };
}
