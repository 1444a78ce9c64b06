import type { Clock } from '@karst/shared/clock.ts';
import type { Job } from '@karst/shared/protocol/job.ts';
import { terminalJobStates } from '@karst/shared/protocol/job.ts';
import type { RunnableStep } from '../dispatch/runnable-steps.ts';
import { runnableStep, stepFacts } from '../dispatch/step-facts.ts';
import type { SpanQueue } from '../queue/span-queue.ts';
import type { GangFacts, StepFacts } from '../scheduler/explain.ts';
import type { Ranking } from '../scheduler/ranking.ts';
import type { TaskTimes } from '../scheduler/task-times.ts';
import type { FarmSettings } from '../settings/farm-settings.ts';
import type { FarmSurvey } from '../store/farm-survey.ts';
import type { StepRecord } from '../store/job-record.ts';
import type { JobStore } from '../store/job-store.ts';
import type { NodeStore } from '../store/node-store.ts';
import type { PreemptStore } from '../store/preempt-store.ts';
import { AVOIDED_MS } from '../store/span-store.ts';

/** A step of a job that has not ended. */
export interface OpenStep {
  readonly index: number;
  readonly record: StepRecord;
  readonly dependsOn: readonly number[];
  readonly facts: StepFacts<RunnableStep>;
  readonly times: TaskTimes;
}

export interface StepParts {
  jobs: JobStore;
  queue: SpanQueue;
  survey: FarmSurvey;
  nodes: NodeStore;
  preempts: PreemptStore;
  settings: FarmSettings;
  clock: Clock;
}

const isOver = ({ state }: StepRecord) =>
  state === 'succeeded' || state === 'failed' || state === 'canceled';

/** Tasks that the feed may still put into spans. */
const fedable = ({ total, cursor, scout = total, frame_deps }: StepRecord): number =>
  frame_deps === undefined ? Math.min(scout, total) - cursor : 0;

async function gangFacts(
  { preempts, nodes }: StepParts,
  { id, policy }: Job,
  index: number,
  { name, waiting, gang_room }: StepRecord,
): Promise<GangFacts | undefined> {
  if (policy.steps[name]?.gang === undefined) return undefined;
  const read = await Promise.all((await preempts.nodes()).map((id) => nodes.preempts(id)));
  const rooms = read.flat().filter((room) => room.jobId === id && room.step === index);
  const startsAtMs = rooms[0]?.startsAtMs;
  return { tasks: waiting, reserved: rooms.length, possible: gang_room, startsAtMs };
}

/** The job's steps that have not ended, in its order. */
export async function readOpenSteps(
  parts: StepParts,
  job: Job,
  ranking: Ranking<RunnableStep>,
): Promise<OpenStep[]> {
  if (terminalJobStates.has(job.state)) return [];
  const [records, definition] = await Promise.all([
    parts.jobs.steps(job.id, job.stepCount),
    parts.jobs.definition(job.id),
  ]);
  if (definition === undefined) return [];
  const listed = new Map<number, RunnableStep>();
  for (const step of ranking.steps()) if (step.jobId === job.id) listed.set(step.step, step);
  const read = records.map(async (record, index): Promise<OpenStep | undefined> => {
    const resolved = definition.job.steps[index];
    if (resolved === undefined || isOver(record)) return undefined;
    const facts = stepFacts(job, resolved, (limit) => parts.settings.isPerHost(limit));
    const place = { jobId: job.id, step: index };
    const [times, look] = await Promise.all([parts.survey.times(place), parts.queue.look(place)]);
    const unfed = fedable(record);
    const sinceMs = parts.clock.nowMs() - AVOIDED_MS;
    const avoided = unfed > 0 ? [] : await parts.survey.avoided(place, sinceMs);
    const { dependsOn } = resolved;
    return {
      index,
      record,
      dependsOn,
      times,
      facts: {
        // One that this replica does not list among those with work: as it would be listed.
        step: listed.get(index) ?? runnableStep(job, index, resolved, facts),
        running: record.running,
        paused: job.state === 'paused',
        held: record.held !== undefined || record.scouted !== undefined,
        waitsFor: dependsOn.flatMap((on) => {
          const other = records[on];
          return other === undefined || other.state === 'succeeded' ? [] : [other.name];
        }),
        ready: unfed + look.ready.size,
        delayed: look.delayed.size,
        dueAtMs: look.delayed.size > 0 ? Math.min(...look.delayed.values()) : undefined,
        avoided,
        gang: await gangFacts(parts, job, index, record),
      },
    };
  });
  return (await Promise.all(read)).filter((step) => step !== undefined);
}
