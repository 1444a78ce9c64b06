import { routes } from '@karst/shared/protocol/routes.ts';
import { z } from 'zod';
import { quickRetry } from '../api/backoff.ts';
import type { ApiClient } from '../api/client.ts';
import { say } from '../context.ts';
import { usageError } from '../failure.ts';
import { count } from '../terminal/text.ts';
import {
  addConnectionOptions,
  type CommandLine,
  connectWith,
  example,
  integer,
} from './command-line.ts';
import { addDeleteCommand } from './delete.ts';
import { addReleaseCommand } from './release.ts';

/** Repeating these changes nothing more, so a lost answer is no reason to fail. */
const again = { retry: quickRetry };

const verbs = [
  {
    name: 'cancel',
    description: 'Cancel a job: its running tasks are killed.',
    call: (api: ApiClient, jobId: string) =>
      api.call(routes.cancelJob, { params: { jobId } }, again),
  },
  {
    name: 'pause',
    description: 'Start no more tasks of a job; running ones finish.',
    call: (api: ApiClient, jobId: string) =>
      api.call(routes.pauseJob, { params: { jobId } }, again),
  },
  {
    name: 'resume',
    description: 'Go on with a paused job.',
    call: (api: ApiClient, jobId: string) =>
      api.call(routes.resumeJob, { params: { jobId } }, again),
  },
] as const;

export function addControlCommands(commandLine: CommandLine): void {
  const { program, context } = commandLine;
  for (const verb of verbs) {
    const command = program
      .command(verb.name)
      .description(verb.description)
      .argument('<job...>', 'the job id, or several');
    addConnectionOptions(command);
    example(command, `karst ${verb.name} job-0123456789abcdef0123`);
    command.action(async (jobIds: string[]) => {
      const api = await connectWith(context, command);
      for (const jobId of jobIds) {
        const job = await verb.call(api, jobId);
        say(context, `Job ${job.id} is ${job.state}.`);
      }
    });
  }
  addDeleteCommand(commandLine);
  addReleaseCommand(commandLine);
  addPriorityCommand(commandLine);
  addRetryCommand(commandLine);
  addRequeueCommand(commandLine);
}

function addPriorityCommand({ program, context }: CommandLine): void {
  const command = program
    .command('priority')
    .description('Change a job’s priority, from the next task on.')
    .argument('<job>', 'the job id')
    .argument('<priority>', '0 to 100, higher goes first', integer(0, 100));
  addConnectionOptions(command);
  example(command, 'karst priority job-0123456789abcdef0123 90');
  command.action(async (jobId: string, priority: number) => {
    const api = await connectWith(context, command);
    const input = { params: { jobId }, body: { priority } };
    const job = await api.call(routes.setJob, input);
    say(context, `Job ${job.id} has priority ${job.policy.priority}.`);
  });
}

function addRetryCommand({ program, context }: CommandLine): void {
  const optionsSchema = z.object({
    failed: z.boolean().default(false),
    step: z.string().optional(),
  });
  const command = program
    .command('retry')
    .description('Run the failed tasks of a job again, and those canceled because of them.')
    .argument('<job>', 'the job id')
    .option('--failed', 'which tasks: those that failed')
    .option('--step <name>', 'only those of this step');
  addConnectionOptions(command);
  example(command, 'karst retry job-0123456789abcdef0123 --failed --step Render');
  command.action(async (jobId: string) => {
    const { failed, step } = optionsSchema.parse(command.opts());
    if (!failed) throw usageError('Say which tasks to retry: --failed.');
    const api = await connectWith(context, command);
    const { retried } = await api.call(routes.retryJob, { params: { jobId }, body: { step } });
    say(context, `${count(retried, 'task')} of job ${jobId} will run again.`);
  });
}

function addRequeueCommand({ program, context }: CommandLine): void {
  const optionsSchema = z.object({ step: z.string(), task: z.int() });
  const command = program
    .command('requeue')
    .description('Run a task again, whatever its state. A running attempt is killed.')
    .argument('<job>', 'the job id')
    .requiredOption('--step <name>', 'the step')
    .requiredOption('--task <n>', 'the task’s number in the step', integer(0, 999_999_999));
  addConnectionOptions(command);
  example(command, 'karst requeue job-0123456789abcdef0123 --step Render --task 41');
  command.action(async (jobId: string) => {
    const { step, task } = optionsSchema.parse(command.opts());
    const api = await connectWith(context, command);
    const queued = await api.call(routes.requeueTask, { params: { jobId, step, task } });
    say(context, `${queued.step} task ${queued.index} of job ${jobId} is ${queued.state}.`);
  });
}
