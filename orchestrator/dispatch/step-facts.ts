import { adaptiveChunks } from '@karst/shared/openjd/adaptive-chunks.ts';
import type { ResolvedStep } from '@karst/shared/openjd/resolved-job.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import { budgetGates } from '../scheduler/budgets.ts';
import { type Counter, countersOf } from '../scheduler/counters.ts';
import { GANG_GATE } from '../scheduler/ranking.ts';
import { type Shape, shapeOf } from '../scheduler/shape.ts';
import type { RunnableStep } from './runnable-steps.ts';

/** What the scheduler knows a step by: all of it may change while the step waits. */
export type StepFacts = Pick<
  RunnableStep,
  'priorityClass' | 'priority' | 'shape' | 'gates' | 'counters' | 'gang'
>;

/** What decides about a step, from its job's policy and its definition. */
export function stepFacts(
  job: Pick<Job, 'id' | 'studio' | 'project' | 'policy'>,
  step: Pick<ResolvedStep, 'name' | 'hostRequirements'>,
  isPerHost: (limit: string) => boolean,
): StepFacts {
  const { priorityClass, priority, placement, limits } = job.policy;
  const shape = shapeOf(step.hostRequirements, placement);
  const counters = leaseCounters(job, shape, limits, isPerHost);
  const gang = job.policy.steps[step.name]?.gang;
  // One that counts nodes is not closed when full: a node that is counted already may go on. Nor is
  // one that this step takes several of: others, that take fewer, may still fit.
  const closing = counters.filter(({ host, amount }) => !host && amount === 1);
  return {
    priorityClass,
    priority,
    shape,
    counters,
    gang,
    gates: [
      ...(gang === undefined ? [] : [GANG_GATE]),
      ...closing.map(({ name }) => name),
      ...budgetGates(job),
    ],
  };
}

/** A step as it is listed at first, before anything is known of its queue. */
export function runnableStep(
  job: Pick<Job, 'id' | 'studio' | 'project' | 'createdAt'>,
  step: number,
  { parameterSpace }: Pick<ResolvedStep, 'parameterSpace'>,
  facts: StepFacts,
): RunnableStep {
  return {
    jobId: job.id,
    step,
    studio: job.studio,
    project: job.project,
    createdAtMs: Date.parse(job.createdAt),
    onDemand: adaptiveChunks(parameterSpace) !== undefined,
    wanted: 0,
    buffered: 0,
    wakes: 0,
    inHand: 0,
    missed: false,
    isQuick: false,
    offerSpans: 1,
    leftAlone: new Map(),
    feeding: undefined,
    meanTaskMs: undefined,
    allFed: false,
    ...facts,
  };
}

function leaseCounters(
  { id, studio, project }: Pick<Job, 'id' | 'studio' | 'project'>,
  shape: Shape,
  limits: readonly string[],
  isPerHost: (limit: string) => boolean,
): Counter[] {
  const gpus = shape.demand?.gpus ?? 0;
  return countersOf({ studio, project, jobId: id, nodeId: '', gpus, limits }, isPerHost);
}
