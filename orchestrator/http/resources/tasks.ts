import type { Clock } from '@karst/shared/clock.ts';
import { taskParameters } from '@karst/shared/openjd/parameter-space.ts';
import type { ResolvedStep } from '@karst/shared/openjd/resolved-job.ts';
import type { JobId, StudioId } from '@karst/shared/protocol/ids.ts';
import type { Policy } from '@karst/shared/protocol/job.ts';
import type { Task, TaskFlag } from '@karst/shared/protocol/task.ts';
import { isSlow, type SlowLimits } from '../../domain/slow-task.ts';
import type { Aftermath } from '../../jobs/aftermath.ts';
import type { TaskTimes } from '../../scheduler/task-times.ts';
import { attemptOf } from '../../store/attempt-record.ts';
import type { ControlStore } from '../../store/control-store.ts';
import type { FarmSurvey } from '../../store/farm-survey.ts';
import { tasksOfJob } from '../../store/job-record.ts';
import type { JobStore } from '../../store/job-store.ts';
import type { TaskFacts, TaskReader } from '../../store/task-reader.ts';
import { type Handlers, ProblemError } from '../handler.ts';
import { ownJob, parseCursor } from './jobs.ts';

type TaskHandlers = Pick<Handlers, 'listTasks' | 'getTask' | 'requeueTask'>;

export interface OwnStep {
  jobId: JobId;
  policy: Policy;
  index: number;
  step: ResolvedStep;
}

/** A step of the studio's own job, by name. Throws not_found. */
export async function ownStep(
  jobs: JobStore,
  studio: StudioId,
  jobId: JobId,
  name: string,
): Promise<OwnStep> {
  const job = await ownJob(jobs, studio, jobId);
  const definition = await jobs.definition(jobId, { tasks: tasksOfJob(job) });
  const index = definition?.job.steps.findIndex((step) => step.name === name) ?? -1;
  const step = definition?.job.steps[index];
  if (step === undefined) throw new ProblemError('not_found', `The job has no step "${name}".`);
  return { jobId, policy: job.policy, index, step };
}

/** Throws not_found for an index that the step does not have. */
export function checkTask({ step }: OwnStep, task: number): void {
  if (task < step.taskCount) return;
  const last = step.taskCount - 1;
  throw new ProblemError('not_found', `The step "${step.name}" has tasks 0 to ${last}.`);
}

/** Why people should look at a running task. */
function flagsOf(
  { state, progress, grantedAtMs, chunk }: TaskFacts,
  times: TaskTimes | undefined,
  nowMs: number,
  limits: SlowLimits,
): TaskFlag[] {
  if (state !== 'running') return [];
  const flags: TaskFlag[] = progress?.silentSeconds === undefined ? [] : ['silent'];
  if (times === undefined || grantedAtMs === undefined) return flags;
  const tasksAtOnce = chunk === undefined ? 1 : chunk.last - chunk.first + 1;
  const running = { elapsedMs: nowMs - grantedAtMs, times, tasksAtOnce };
  return isSlow(running, limits) ? [...flags, 'slow'] : flags;
}

const rerunOf = ({ nodeId, grantedAtMs }: NonNullable<TaskFacts['rerun']>): Task['rerun'] =>
  grantedAtMs === undefined ? {} : { nodeId, since: new Date(grantedAtMs).toISOString() };

function taskOf({ step }: OwnStep, facts: TaskFacts, flags: TaskFlag[]): Task {
  const parameters = Object.entries(taskParameters(step.parameterSpace, facts.index)).map(
    ([name, { value }]) => [name, value] as const,
  );
  return {
    step: step.name,
    index: facts.index,
    parameters: Object.fromEntries(parameters),
    state: facts.state,
    failures: facts.failures,
    progress: facts.progress?.percent,
    status: facts.progress?.status,
    ...(flags.length === 0 ? {} : { flags }),
    nodeId: facts.nodeId,
    ...(facts.rerun === undefined ? {} : { rerun: rerunOf(facts.rerun) }),
    attempt: facts.attempt === undefined ? undefined : attemptOf(facts.attempt),
    outputs: facts.outputs?.files ?? [],
    chunk: facts.chunk,
  };
}

export function taskHandlers(parts: {
  jobs: JobStore;
  tasks: TaskReader;
  survey: FarmSurvey;
  control: ControlStore;
  aftermath: Aftermath;
  clock: Clock;
  slowLimits: SlowLimits;
}): TaskHandlers {
  const { jobs, tasks, control, aftermath } = parts;

  /** Tasks as people see them. */
  async function told(own: OwnStep, all: readonly TaskFacts[]): Promise<Task[]> {
    const anyRuns = all.some(({ state }) => state === 'running');
    const place = { jobId: own.jobId, step: own.index };
    const times = anyRuns ? await parts.survey.times(place) : undefined;
    const nowMs = parts.clock.nowMs();
    return all.map((facts) => taskOf(own, facts, flagsOf(facts, times, nowMs, parts.slowLimits)));
  }

  async function readTask(own: OwnStep, task: number): Promise<Task> {
    const [read] = await told(own, await tasks.read(own.jobId, own.index, [task]));
    if (read === undefined) throw new Error(`task ${task} can't be read`);
    return read;
  }

  return {
    async listTasks({ params, query }, { principal }) {
      const own = await ownStep(jobs, principal.studio, params.jobId, params.step);
      const from = parseCursor(query.cursor);
      const page = await tasks.page(own.jobId, own.index, {
        from,
        limit: query.limit,
        state: query.flagged === 'true' ? 'running' : query.state,
        taskCount: own.step.taskCount,
      });
      const all = await told(own, page.facts);
      const items = query.flagged === 'true' ? all.filter(({ flags }) => flags !== undefined) : all;
      return page.next === undefined ? { items } : { items, nextCursor: String(page.next) };
    },
    async getTask({ params }, { principal }) {
      const own = await ownStep(jobs, principal.studio, params.jobId, params.step);
      checkTask(own, params.task);
      return await readTask(own, params.task);
    },
    async requeueTask({ params }, { principal }) {
      const own = await ownStep(jobs, principal.studio, params.jobId, params.step);
      checkTask(own, params.task);
      const { jobId, index } = own;
      const { stateBefore, effects, spanId } = await control.requeueTask(
        jobId,
        index,
        params.task,
        aftermath.nowMs(),
      );
      if (stateBefore === 'canceled' || stateBefore === 'canceled_job') {
        throw new ProblemError(
          'conflict',
          'Tasks of its step were canceled: retry the job instead.',
        );
      }
      if (stateBefore === 'gang') {
        throw new ProblemError(
          'conflict',
          'The tasks of a gang run together: submit the job again to run all of them.',
        );
      }
      await aftermath.apply(jobId, index, effects);
      await aftermath.spansQueued(jobId, index, spanId > 0 ? [spanId] : []);
      return await readTask(own, params.task);
    },
  };
}
