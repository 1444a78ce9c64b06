import { z } from 'zod';
import { waitForJob } from '../wait/wait-for-job.ts';
import {
  addConnectionOptions,
  type CommandLine,
  connectWith,
  duration,
  example,
} from './command-line.ts';

const optionsSchema = z.object({ timeout: z.number().optional() });

export function addWaitCommand({ program, context, finish }: CommandLine): void {
  const command = program
    .command('wait')
    .description('Show a job’s progress until it is over. Ctrl-C detaches; the job goes on.')
    .argument('<job>', 'the job id')
    .option('--timeout <duration>', 'stop waiting after this long (exit 6)', duration);
  addConnectionOptions(command);
  command.addHelpText(
    'after',
    '\nExits with 0 when the job succeeded, 2 canceled, 5 failed, 6 timed out, 130 detached.',
  );
  example(command, 'karst wait job-0123456789abcdef0123 --timeout 2h');
  command.action(async (jobId: string) => {
    const { timeout } = optionsSchema.parse(command.opts());
    const api = await connectWith(context, command);
    finish((await waitForJob(context, api, jobId, timeout)).exitCode);
  });
}
