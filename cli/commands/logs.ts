import type { Step, TaskState } from '@karst/shared/protocol/job.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { z } from 'zod';
import type { ApiClient } from '../api/client.ts';
import { type CliContext, say } from '../context.ts';
import { CliError, usageError } from '../failure.ts';
import { printLog } from '../logs/print-log.ts';
import { plainText } from '../terminal/text.ts';
import {
  addConnectionOptions,
  type CommandLine,
  connectWith,
  example,
  integer,
} from './command-line.ts';

const optionsSchema = z.object({
  step: z.string().optional(),
  task: z.int().optional(),
  follow: z.boolean().default(false),
});

export function addLogsCommand({ program, context }: CommandLine): void {
  const command = program
    .command('logs')
    .description(
      'Print what a task wrote. Without --task: the first running, failed, or first task.',
    )
    .argument('<job>', 'the job id')
    .option('--step <name>', 'the step')
    .option('--task <n>', 'the task’s number in the step', integer(0, 999_999_999))
    .option('-f, --follow', 'go on printing until the task ends');
  addConnectionOptions(command);
  example(
    command,
    'karst logs job-0123456789abcdef0123 -f',
    'karst logs job-… --step Render --task 41',
  );
  command.action(async (jobId: string) => {
    const { step, task, follow } = optionsSchema.parse(command.opts());
    const api = await connectWith(context, command);
    const chosen = await chooseTask(context, api, { jobId, step, task });
    await printLog(context, api, { jobId, ...chosen, follow });
  });
}

interface Wanted {
  jobId: string;
  step: string | undefined;
  task: number | undefined;
}

async function chooseTask(
  context: CliContext,
  api: ApiClient,
  wanted: Wanted,
): Promise<{ step: string; task: number }> {
  const { step, task, jobId } = wanted;
  if (step !== undefined && task !== undefined) return { step, task };
  const { items } = await api.call(routes.listSteps, { params: { jobId } });
  const steps = step === undefined ? items : items.filter(({ name }) => name === step);
  const names = items.map(({ name }) => plainText(name)).join(', ');
  const [first] = steps;
  if (first === undefined) throw new CliError(`The job has no step "${step}". It has: ${names}.`);
  if (task !== undefined) {
    if (steps.length > 1) throw usageError(`Say which step with --step: ${names}.`);
    return { step: first.name, task };
  }
  const chosen = (await firstTask(api, jobId, steps, 'running')) ??
    (await firstTask(api, jobId, steps, 'failed')) ?? { step: first.name, task: 0 };
  say(context, `This is ${plainText(chosen.step)} task ${chosen.task}.`);
  return chosen;
}

async function firstTask(
  api: ApiClient,
  jobId: string,
  steps: readonly Step[],
  state: Extract<TaskState, 'running' | 'failed'>,
): Promise<{ step: string; task: number } | undefined> {
  for (const { name, taskCounts } of steps) {
    if (taskCounts[state] === 0) continue;
    const input = { params: { jobId, step: name }, query: { state, limit: 1 } };
    const [task] = (await api.call(routes.listTasks, input)).items;
    if (task !== undefined) return { step: name, task: task.index };
  }
  return undefined;
}
