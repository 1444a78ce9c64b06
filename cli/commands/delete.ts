import { routes } from '@karst/shared/protocol/routes.ts';
import { z } from 'zod';
import { say } from '../context.ts';
import { usageError } from '../failure.ts';
import { addConnectionOptions, type CommandLine, connectWith, example } from './command-line.ts';

const optionsSchema = z.object({ yes: z.boolean().default(false) });

/** `delete`: takes ended jobs away, with all that they left. */
export function addDeleteCommand({ program, context }: CommandLine): void {
  const command = program
    .command('delete')
    .description('Delete ended jobs with their outputs, logs and previews, for good.')
    .argument('<job...>', 'the job id, or several')
    .option('--yes', 'yes, delete: it cannot be undone');
  addConnectionOptions(command);
  example(command, 'karst delete job-0123456789abcdef0123 --yes');
  command.action(async (jobIds: string[]) => {
    const { yes } = optionsSchema.parse(command.opts());
    if (!yes) throw usageError('Deleting cannot be undone: say --yes.');
    const api = await connectWith(context, command);
    for (const jobId of jobIds) {
      // Not repeated by itself: whoever did not hear the first answer would be told that there is no such job.
      await api.call(routes.deleteJob, { params: { jobId } }, { retry: 'never' });
      say(context, `Job ${jobId} is deleted; its files go in the background.`);
    }
  });
}
