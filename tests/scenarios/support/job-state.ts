import type { OutputDownload } from '@karst/shared/protocol/files.ts';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { Job, TaskCounts, TaskState } from '@karst/shared/protocol/job.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import type { Task } from '@karst/shared/protocol/task.ts';
import { eventually } from '../../support/eventually.ts';
import type { Farm } from '../../support/farm.ts';

export const counts = (some: Partial<TaskCounts>): TaskCounts => ({
  waiting: 0,
  running: 0,
  succeeded: 0,
  failed: 0,
  canceled: 0,
  ...some,
});

export function taskOf(farm: Farm, jobId: JobId, task = 0, step = 'Render'): Promise<Task> {
  return farm.api().call(routes.getTask, { params: { jobId, step, task } });
}

export async function tasksOf(farm: Farm, jobId: JobId, step = 'Render'): Promise<Task[]> {
  const query = { limit: 1000 };
  return (await farm.api().call(routes.listTasks, { params: { jobId, step }, query })).items;
}

export async function acceptedOutputs(farm: Farm, jobId: JobId): Promise<OutputDownload[]> {
  const query = { limit: 1000 };
  return (await farm.api().call(routes.listOutputs, { params: { jobId }, query })).items;
}

/** Waits until the studio's view holds every accepted output. */
export async function published(farm: Farm, jobId: JobId): Promise<Job> {
  return await eventually('outputs in the view', async () => {
    const job = await farm.readJob(jobId);
    return job.outputs.published === job.outputs.accepted ? job : undefined;
  });
}

/** Waits until a task is in `state`. */
export async function taskIn(
  farm: Farm,
  jobId: JobId,
  state: TaskState,
  task = 0,
  step = 'Render',
): Promise<Task> {
  return await eventually(`task ${task} of ${step} ${state}`, async () => {
    const found = await taskOf(farm, jobId, task, step);
    return found.state === state ? found : undefined;
  });
}

/** Counts tasks by looking at every one: what the job's counters must say. */
export async function countedTasks(
  farm: Farm,
  jobId: JobId,
  steps: readonly string[] = ['Render'],
): Promise<TaskCounts> {
  const counted = counts({});
  for (const step of steps) {
    for (const { state } of await tasksOf(farm, jobId, step)) counted[state] += 1;
  }
  return counted;
}
