import { routes } from '@karst/shared/protocol/routes.ts';
import { policyChangeMapSchema } from '@karst/shared/recipes/policy-map.ts';
import { z } from 'zod';
import { say } from '../context.ts';
import { readPolicy } from '../documents/read-policy.ts';
import { usageError } from '../failure.ts';
import {
  addConnectionOptions,
  type CommandLine,
  connectWith,
  example,
  integer,
} from './command-line.ts';
import { addOutputOption, outputFormatSchema, printOne } from './output-format.ts';
import { addPolicyOptions, changeOf, joinPlaces, policyOptionsSchema } from './policy-options.ts';

const optionsSchema = policyOptionsSchema.extend({
  priority: z.int().optional(),
  maxRetries: z.int().optional(),
  maxFailed: z.int().optional(),
  anywhere: z.boolean().default(false),
  output: outputFormatSchema.exclude(['table']),
});

/** `set`: changes jobs that are there, from the next task on. */
export function addSetCommand({ program, context }: CommandLine): void {
  const command = program
    .command('set')
    .description('Change how jobs rank, where they may run and what they may take.')
    .argument('<job...>', 'the job id, or several')
    .option('--priority <n>', '0 to 100, higher goes first', integer(0, 100))
    .option('--max-retries <n>', 'retries of a task that fails by itself', integer(0, 100))
    .option('--max-failed <n>', 'the job fails when more tasks failed', integer(0, 1_000_000));
  addPolicyOptions(command).option('--anywhere', 'forget where it had to run until now');
  addConnectionOptions(command);
  addOutputOption(command, ['name', 'json', 'yaml']);
  command.addHelpText(
    'after',
    '\n"none" takes --pool, --limit, --max-tasks, --max-nodes, --max-latency and --max-…-price back. What is not named stays.',
  );
  example(
    command,
    'karst set job-0123456789abcdef0123 --priority 80 --class urgent --pool gpu',
    'karst set job-0123456789abcdef0123 --max-tasks none --limit houdini --limit nuke',
    'karst set job-0123456789abcdef0123 --max-latency shanghai=20 --max-gpu-hour-price none',
    `karst set job-0123456789abcdef0123 --policy '{"poisonNodes": 5, "silentSeconds": null}'`,
  );
  command.action(async (jobIds: string[]) => {
    const { output, priority, maxRetries, maxFailed, anywhere, ...flags } = optionsSchema.parse(
      command.opts(),
    );
    const given = await readPolicy(flags.policy, policyChangeMapSchema, context.cwd);
    const said = changeOf(flags, anywhere);
    const placement = joinPlaces(given?.placement ?? {}, said.placement ?? {});
    const body = {
      ...given,
      ...said,
      ...(Object.keys(placement).length === 0 ? {} : { placement }),
      ...(priority === undefined ? {} : { priority }),
      ...(maxRetries === undefined ? {} : { maxRetriesPerTask: maxRetries }),
      ...(maxFailed === undefined ? {} : { maxFailedTasks: maxFailed }),
    };
    if (Object.keys(body).length === 0) throw usageError('Say what to change (--help tells).');
    const api = await connectWith(context, command);
    for (const jobId of jobIds) {
      const job = await api.call(routes.setJob, { params: { jobId }, body });
      say(context, `Job ${job.id} is changed.`);
      printOne(context, output, job, { lines: [], name: job.id });
    }
  });
}
