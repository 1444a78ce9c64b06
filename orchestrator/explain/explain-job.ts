import type { Forecast, JobExplanation, StepExplanation } from '@karst/shared/protocol/explain.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import type { RunnableStep } from '../dispatch/runnable-steps.ts';
import { type Explained, explainStep } from '../scheduler/explain.ts';
import { type FarmParts, readFarm } from './farm-reader.ts';
import { forecastJob, forecastSteps, type StepForecast } from './forecast-steps.ts';
import { type OpenStep, readOpenSteps, type StepParts } from './step-reader.ts';

/** Why a job's tasks wait, and until when, as this replica sees it now. */
export async function explainJob(parts: FarmParts & StepParts, job: Job): Promise<JobExplanation> {
  const open = await readOpenSteps(parts, job, parts.scheduler.ranking);
  if (open.length === 0) return over(job);
  const counters = open.flatMap(({ facts }) => facts.step.counters);
  const farm = await readFarm(parts, counters);
  const explained = new Map(open.map((step) => [step.index, explainStep(step.facts, farm)]));
  const forecasts = forecastSteps(open, explained, farm);
  const steps = open
    .filter(({ record }) => record.waiting > 0)
    .flatMap((step) => tell(step, explained.get(step.index), forecasts.get(step.index)));
  return {
    jobId: job.id,
    state: job.state,
    summary: summaryOf(steps, job),
    steps,
    forecast: forecastJob(job, open, forecasts, farm.nowMs),
  };
}

function tell(
  { index, record, facts }: OpenStep,
  explained: Explained<RunnableStep> | undefined,
  forecast: StepForecast | undefined,
): StepExplanation[] {
  if (explained === undefined || forecast === undefined) return [];
  const { summary, reasons, nodes, tests } = explained;
  return [
    {
      index,
      name: record.name,
      state: record.state,
      waiting: record.waiting,
      running: facts.running,
      summary,
      reasons,
      nodes,
      tests,
      forecast: forecast.told,
    },
  ];
}

/** Steps that wait for other steps of the job tell least. */
function summaryOf(steps: readonly StepExplanation[], job: Job): string {
  const telling = steps.find(({ reasons }) => reasons[0]?.kind !== 'blocked') ?? steps[0];
  if (telling === undefined) {
    const { running } = job.taskCounts;
    return `No task of it waits; ${running} task${running === 1 ? ' runs' : 's run'}.`;
  }
  return job.stepCount === 1 ? telling.summary : `${telling.name}: ${telling.summary}`;
}

function over(job: Job): JobExplanation {
  const forecast: Forecast = { start: null, end: null, basis: 'it has ended' };
  const summary = `It has ended: ${job.state}.`;
  return { jobId: job.id, state: job.state, summary, steps: [], forecast };
}
