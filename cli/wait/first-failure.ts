import type { Job } from '@karst/shared/protocol/job.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import type { Task } from '@karst/shared/protocol/task.ts';
import type { ApiClient } from '../api/client.ts';
import { plainText } from '../terminal/text.ts';

/** What a person needs first when a job failed: which task, why, and where its log is. */
export async function describeFirstFailure(api: ApiClient, job: Job): Promise<string[]> {
  const jobId = job.id;
  const { items: steps } = await api.call(routes.listSteps, { params: { jobId } });
  const step = steps.find(({ taskCounts }) => taskCounts.failed > 0);
  if (step === undefined) return [];
  const query = { state: 'failed', limit: 1 } as const;
  const { items } = await api.call(routes.listTasks, { params: { jobId, step: step.name }, query });
  const task = items[0];
  if (task === undefined) return [];
  return [
    `  ${describeTask(task)}: ${failureReason(task)}`,
    `  Its log: karst logs ${jobId} --step ${shellWord(task.step)} --task ${task.index}`,
    `  Run what failed again: karst retry ${jobId} --failed`,
  ];
}

/** `Render task 3 (Frame=4)`. */
export function describeTask(task: Pick<Task, 'step' | 'index' | 'parameters'>): string {
  const parameters = Object.entries(task.parameters).map(([name, value]) => `${name}=${value}`);
  const inside = parameters.length === 0 ? '' : ` (${parameters.join(', ')})`;
  return plainText(`${task.step} task ${task.index}${inside}`);
}

function failureReason(task: Task): string {
  const { attempt } = task;
  if (attempt === undefined) return 'failed';
  if (attempt.message) return plainText(attempt.message);
  if (attempt.exitCode !== undefined) return `exit code ${attempt.exitCode}`;
  if (attempt.signal !== undefined) return `killed by ${attempt.signal}`;
  return attempt.failureKind ?? 'failed';
}

/** As one word of a shell command line. */
export const shellWord = (text: string): string =>
  /^[A-Za-z0-9_./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
