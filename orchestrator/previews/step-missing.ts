import { runsOf } from '@karst/shared/openjd/chunks.ts';
import { parseIntRange } from '@karst/shared/openjd/int-range.ts';
import { taskParameters } from '@karst/shared/openjd/parameter-space.ts';
import type { ResolvedParameterSpace } from '@karst/shared/openjd/resolved-job.ts';
import type { Redis } from '../store/connection.ts';
import type { JobStore } from '../store/job-store.ts';
import { keys } from '../store/keys.ts';
import type { Suspicion } from '../store/suspicious-store.ts';
import type { FrameSequence } from './frame-sequences.ts';
import { missingFrames } from './missing-frames.ts';
import type { StepPicture, StepWork } from './step-previewer.ts';

/** Of steps with more tasks, parameters are not looked at: gaps count by their numbers alone. */
const TASKS_MAX = 100_000;
const NUMBERS_MAX = 1000;

/** What is missing among the pictures of a step that has ended. */
export async function missingOfStep(
  { redis, jobs }: { redis: Redis; jobs: JobStore },
  { jobId, step }: StepWork,
  pictures: readonly StepPicture[],
  sequences: readonly FrameSequence<StepPicture>[],
): Promise<Suspicion[]> {
  const record = await jobs.step(jobId, step);
  if (record === undefined) return [];
  const definition = await jobs.definition(jobId, { step, tasks: record.total });
  const space = definition?.job.steps[step]?.parameterSpace;
  const bits = await redis.getBuffer(keys.succeeded(jobId, step));
  const pictured = new Set<number>();
  for (const { task, last = task } of pictures) {
    for (let each = task; each <= last; each++) pictured.add(each);
  }
  const isSmall = record.total <= TASKS_MAX;
  return missingFrames({
    sequences,
    taskCount: record.total,
    succeeded: (task) => (((bits?.[task >> 3] ?? 0) >> (7 - (task & 7))) & 1) === 1,
    hasPicture: (task) => pictured.has(task),
    numbersOf: isSmall && space !== undefined ? numbersBy(space) : undefined,
    isWhole: record.state === 'succeeded',
  });
}

/** The integers among a task's parameters; a chunk's are all of its values. */
function numbersBy(space: ResolvedParameterSpace) {
  const known = new Map<number, ReadonlyMap<string, readonly number[]>>();
  return (task: number): ReadonlyMap<string, readonly number[]> => {
    let numbers = known.get(task);
    if (numbers !== undefined) return numbers;
    const found = Object.entries(taskParameters(space, task)).flatMap(([name, { type, value }]) =>
      type === 'INT' || type === 'CHUNK[INT]' ? [[name, integersOf(value)] as const] : [],
    );
    numbers = new Map(found);
    known.set(task, numbers);
    return numbers;
  };
}

function integersOf(text: string): number[] {
  const range = parseIntRange(text);
  if (!range.ok || range.value.length > NUMBERS_MAX) return [];
  return runsOf(range.value).flatMap(({ start, end, step }) => {
    const numbers: number[] = [];
    for (let value = start; value <= end; value += step) numbers.push(Number(value));
    return numbers;
  });
}
