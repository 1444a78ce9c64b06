import { adaptiveChunks } from '@karst/shared/openjd/adaptive-chunks.ts';
import { chunkParameters, taskParameters } from '@karst/shared/openjd/parameter-space.ts';
import { matchesPattern } from '@karst/shared/outputs/path-pattern.ts';
import { taskChecks } from '@karst/shared/outputs/task-checks.ts';
import type { OutputCheck } from '@karst/shared/protocol/output-checks.ts';
import type { JobDefinition } from '../store/job-record.ts';
import { isAt } from './job-files.ts';

/** Whether a path lies where the job's PATH parameters put outputs. */
export function isAtOutput({ job, locations }: JobDefinition, path: string): boolean {
  return Object.entries(locations).some(([name, location]) => {
    const dataFlow = job.parameters[name]?.dataFlow;
    return (dataFlow === 'OUT' || dataFlow === 'INOUT') && isAt(path, location);
  });
}

/** Whether the checks of the step's policy collect a file of a task besides. */
export function isCollected(
  { job, locations }: JobDefinition,
  step: number,
  span: { first: number; last: number },
  checks: readonly OutputCheck[],
  file: { task: number; path: string },
): boolean {
  const more = checks.filter(({ collect }) => collect === true);
  const space = job.steps[step]?.parameterSpace;
  if (more.length === 0) return false;
  const task =
    adaptiveChunks(space) === undefined
      ? taskParameters(space, file.task)
      : chunkParameters(space, span.first, span.last);
  const found = taskChecks(more, { parameters: job.parameters, locations }, task);
  return (
    found.ok &&
    found.value.some(({ wanted }) =>
      wanted.some(({ pattern }) => matchesPattern(pattern, file.path)),
    )
  );
}
