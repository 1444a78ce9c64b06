import { type Job, jobStateSchema, taskStateSchema } from '@karst/shared/protocol/job.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import type { ApiClient } from '../api/client.ts';
import { collectPages } from '../api/pages.ts';
import { type CliContext, say } from '../context.ts';
import { suspiciousLines } from '../previews/suspicious-lines.ts';
import {
  addConnectionOptions,
  type CommandLine,
  connectWith,
  example,
  integer,
} from './command-line.ts';
import { nodeColumns, nodeLines } from './node-tables.ts';
import { addOutputOption, outputFormatSchema, printList, printOne } from './output-format.ts';
import { jobColumns, jobLines, keyColumns, stepColumns, taskColumns } from './resource-tables.ts';
import { storageLines } from './storage-lines.ts';

const LIMIT_DEFAULT = 100;
const jobsOptions = z.object({
  output: outputFormatSchema,
  limit: z.int(),
  state: jobStateSchema.optional(),
});
const tasksOptions = z.object({
  output: outputFormatSchema,
  limit: z.int(),
  state: taskStateSchema.optional(),
  step: z.string().optional(),
  flagged: z.boolean().default(false),
});
const plainOptions = z.object({ output: outputFormatSchema });

export function addGetCommand(commandLine: CommandLine): void {
  const get = commandLine.program
    .command('get')
    .description('Print jobs, steps, tasks, nodes, keys or what is stored.')
    .exitOverride();
  addGetJobs(get, commandLine.context);
  addGetJob(get, commandLine.context);
  addGetSteps(get, commandLine.context);
  addGetTasks(get, commandLine.context);
  addGetNodes(get, commandLine.context);
  addGetNode(get, commandLine.context);
  addGetKeys(get, commandLine.context);
  addGetStorage(get, commandLine.context);
}

const limitOption = () =>
  new Option('--limit <n>', 'print at most this many')
    .default(LIMIT_DEFAULT)
    .argParser(integer(1, 1_000_000));

function finished(command: Command, ...examples: string[]): Command {
  addOutputOption(addConnectionOptions(command));
  return example(command, ...examples);
}

function addGetJobs(get: Command, context: CliContext): void {
  const command = get
    .command('jobs')
    .description('The studio’s jobs, newest first.')
    .addOption(new Option('--state <state>', 'only these').choices(jobStateSchema.options))
    .addOption(limitOption());
  finished(command, 'karst get jobs --state running', "karst get jobs -o json | jq '.[0].id'");
  command.action(async () => {
    const { output, limit, state } = jobsOptions.parse(command.opts());
    const api = await connectWith(context, command);
    const pages = await collectPages(limit, (page) =>
      api.call(routes.listJobs, { query: { ...page, state } }),
    );
    printList(context, output, pages.items, { columns: jobColumns(context), name: ({ id }) => id });
    tellMore(context, pages.hasMore);
  });
}

function addGetJob(get: Command, context: CliContext): void {
  const command = get.command('job').description('One job.').argument('<job>', 'the job id');
  finished(command, 'karst get job job-0123456789abcdef0123 -o yaml');
  command.action(async (jobId: string) => {
    const { output } = plainOptions.parse(command.opts());
    const api = await connectWith(context, command);
    const job = await api.call(routes.getJob, { params: { jobId } });
    const waits = output === 'table' ? await waitsText(api, job) : undefined;
    const suspicious = output === 'table' ? await suspiciousLines(api, job) : [];
    const lines = [...jobLines(job, waits), ...suspicious];
    printOne(context, output, job, { lines, name: job.id });
  });
}

/** Why a job waits of which nothing runs and no person is known to hold anything. */
async function waitsText(api: ApiClient, job: Job): Promise<string | undefined> {
  const { state, heldSteps, taskCounts } = job;
  const waits = (state === 'pending' || state === 'running') && heldSteps === undefined;
  if (!waits || taskCounts.running > 0 || taskCounts.waiting === 0) return undefined;
  return (await api.call(routes.explainJob, { params: { jobId: job.id } })).summary;
}

function addGetSteps(get: Command, context: CliContext): void {
  const command = get
    .command('steps')
    .description('A job’s steps.')
    .argument('<job>', 'the job id');
  finished(command, 'karst get steps job-0123456789abcdef0123');
  command.action(async (jobId: string) => {
    const { output } = plainOptions.parse(command.opts());
    const api = await connectWith(context, command);
    const { items } = await api.call(routes.listSteps, { params: { jobId } });
    printList(context, output, items, { columns: stepColumns, name: ({ name }) => name });
  });
}

function addGetTasks(get: Command, context: CliContext): void {
  const command = get
    .command('tasks')
    .description('A job’s tasks, step by step.')
    .argument('<job>', 'the job id')
    .option('--step <name>', 'only those of this step')
    .option('--flagged', 'only running tasks that are silent or far slower than their siblings')
    .addOption(new Option('--state <state>', 'only these').choices(taskStateSchema.options))
    .addOption(limitOption());
  finished(command, 'karst get tasks job-0123456789abcdef0123 --step Render --state failed');
  command.action(async (jobId: string) => {
    const { output, limit, state, step, flagged } = tasksOptions.parse(command.opts());
    const which = flagged ? { flagged: 'true' as const } : { state };
    const api = await connectWith(context, command);
    const { items: steps } = await api.call(routes.listSteps, { params: { jobId } });
    const wanted = step === undefined ? steps.map(({ name }) => name) : [step];
    const tasks: z.output<typeof routes.getTask.response>[] = [];
    let hasMore = false;
    for (const name of wanted) {
      const pages = await collectPages(limit - tasks.length, (page) =>
        api.call(routes.listTasks, { params: { jobId, step: name }, query: { ...page, ...which } }),
      );
      tasks.push(...pages.items);
      hasMore ||= pages.hasMore;
    }
    const name = (task: (typeof tasks)[number]) => `${task.step}/${task.index}`;
    printList(context, output, tasks, { columns: taskColumns, name });
    tellMore(context, hasMore);
  });
}

function addGetNodes(get: Command, context: CliContext): void {
  const command = get.command('nodes').description('Every enrolled node.');
  finished(command, 'karst get nodes');
  command.action(async () => {
    const { output } = plainOptions.parse(command.opts());
    const api = await connectWith(context, command);
    const { items } = await api.call(routes.listNodes, {});
    printList(context, output, items, { columns: nodeColumns(context), name: ({ id }) => id });
  });
}

function addGetNode(get: Command, context: CliContext): void {
  const command = get.command('node').description('One node.').argument('<node>', 'the node id');
  finished(command, 'karst get node node-0123456789abcdef0123 -o json');
  command.action(async (nodeId: string) => {
    const { output } = plainOptions.parse(command.opts());
    const api = await connectWith(context, command);
    const node = await api.call(routes.getNode, { params: { nodeId } });
    printOne(context, output, node, { lines: nodeLines(node), name: node.id });
  });
}

function addGetKeys(get: Command, context: CliContext): void {
  const command = get.command('keys').description('Every API key, without its secret.');
  finished(command, 'karst get keys');
  command.action(async () => {
    const { output } = plainOptions.parse(command.opts());
    const api = await connectWith(context, command);
    const { items } = await api.call(routes.listKeys, {});
    printList(context, output, items, { columns: keyColumns, name: ({ id }) => id });
  });
}

function addGetStorage(get: Command, context: CliContext): void {
  const command = get
    .command('storage')
    .description('How much the studio stores, and how much it may.');
  finished(command, 'karst get storage');
  command.action(async () => {
    const { output } = plainOptions.parse(command.opts());
    const api = await connectWith(context, command);
    const use = await api.call(routes.getStorageUse, {});
    printOne(context, output, use, { lines: storageLines(context, use), name: use.studio });
  });
}

function tellMore(context: CliContext, hasMore: boolean): void {
  if (hasMore) say(context, 'There are more: raise --limit.');
}
