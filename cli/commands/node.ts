import type { Node } from '@karst/shared/protocol/node.ts';
import { type NodeSettingsChange, stopSchema } from '@karst/shared/protocol/node-settings.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { parseSchedule } from '@karst/shared/schedule/schedule-text.ts';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { quickRetry } from '../api/backoff.ts';
import { type CliContext, print, say } from '../context.ts';
import { usageError } from '../failure.ts';
import {
  addConnectionOptions,
  amount,
  type CommandLine,
  connectWith,
  duration,
  example,
  orNone,
} from './command-line.ts';
import { priceOption, pricesOf } from './policy-options.ts';

export function addNodeCommand(commandLine: CommandLine): void {
  const node = commandLine.program
    .command('node')
    .description('Drain, undrain, restore, set up and enrol nodes.');
  addDrain(node, commandLine.context);
  addUndrain(node, commandLine.context);
  addRestore(node, commandLine.context);
  addSet(node, commandLine.context);
  addEnroll(node, commandLine.context);
}

const nodesArgument = ['<node...>', 'the node id, or several'] as const;

const tell = (context: CliContext, { id, state, drainReason }: Node): void =>
  say(context, `Node ${id} is ${state}${drainReason === undefined ? '' : `: ${drainReason}`}.`);

function addDrain(node: Command, context: CliContext): void {
  const command = node
    .command('drain')
    .description('Let a node finish what it runs and take nothing new.')
    .argument(...nodesArgument)
    .option('--now', 'kill what it runs and give it back at once; that costs no retry');
  addConnectionOptions(command);
  example(command, 'karst node drain node-0123456789abcdef0123', 'karst node drain node-… --now');
  command.action(async (nodeIds: string[]) => {
    const { now } = z.object({ now: z.boolean().default(false) }).parse(command.opts());
    const query = { now: now ? ('true' as const) : ('false' as const) };
    const api = await connectWith(context, command);
    for (const nodeId of nodeIds) {
      const input = { params: { nodeId }, query };
      tell(context, await api.call(routes.drainNode, input, { retry: quickRetry }));
    }
  });
}

function addUndrain(node: Command, context: CliContext): void {
  const command = node
    .command('undrain')
    .description('Let a drained node take work again.')
    .argument(...nodesArgument);
  addConnectionOptions(command);
  example(command, 'karst node undrain node-0123456789abcdef0123');
  command.action(async (nodeIds: string[]) => {
    const api = await connectWith(context, command);
    for (const nodeId of nodeIds) {
      const input = { params: { nodeId } };
      tell(context, await api.call(routes.undrainNode, input, { retry: quickRetry }));
    }
  });
}

function addRestore(node: Command, context: CliContext): void {
  const command = node
    .command('restore')
    .description('Trust a quarantined node again: what it failed is forgotten.')
    .argument(...nodesArgument);
  addConnectionOptions(command);
  example(command, 'karst node restore node-0123456789abcdef0123');
  command.action(async (nodeIds: string[]) => {
    const api = await connectWith(context, command);
    for (const nodeId of nodeIds) {
      const input = { params: { nodeId } };
      tell(context, await api.call(routes.restoreNode, input, { retry: quickRetry }));
    }
  });
}

const price = orNone(amount);
const setOptions = z.object({
  pool: z.string().optional(),
  tags: z.string().optional(),
  schedule: z.string().optional(),
  stop: stopSchema.optional(),
  gpuHourPrice: priceOption,
  coreHourPrice: priceOption,
});

function addSet(node: Command, context: CliContext): void {
  const command = node
    .command('set')
    .description('Change a node’s pool, tags, schedule or prices; what is not named stays.')
    .argument(...nodesArgument)
    .option('--pool <name>', 'the pool it belongs to')
    .option('--tags <list>', 'its tags beside those its agent tells, with commas; "" for none')
    .option(
      '--schedule <windows>',
      'when it works, by the clock of a time zone; always: no schedule',
    )
    .addOption(
      new Option(
        '--stop <how>',
        'when its schedule closes, running tasks finish or are given back',
      ).choices(stopSchema.options),
    )
    .option('--gpu-hour-price <n>', 'what one of its GPUs costs an hour; none: nothing', price)
    .option('--core-hour-price <n>', 'what one of its cores costs an hour; none: nothing', price);
  addConnectionOptions(command);
  example(
    command,
    'karst node set node-0123456789abcdef0123 --pool render --tags rtx,berlin',
    'karst node set node-… --schedule "mon-fri 20:00-08:00, sat-sun 00:00-00:00 Europe/Berlin"',
    'karst node set node-… --schedule always --stop hard',
    'karst node set node-… --gpu-hour-price 1.8 --core-hour-price 0.04',
  );
  command.action(async (nodeIds: string[]) => {
    const body = settingsChange(setOptions.parse(command.opts()));
    const api = await connectWith(context, command);
    for (const nodeId of nodeIds) {
      const input = { params: { nodeId }, body };
      tell(context, await api.call(routes.setNode, input, { retry: quickRetry }));
    }
  });
}

function settingsChange(options: z.output<typeof setOptions>) {
  const { pool, tags, schedule, stop, gpuHourPrice, coreHourPrice } = options;
  const change: NodeSettingsChange = {};
  if (pool !== undefined) change.pool = pool;
  if (tags !== undefined) {
    const parts = tags.split(',').map((tag) => tag.trim());
    change.tags = parts.filter((tag) => tag !== '');
  }
  if (schedule === 'always') change.schedule = null;
  else if (schedule !== undefined) {
    const parsed = parseSchedule(schedule);
    if (!parsed.ok) throw usageError(`--schedule: ${parsed.error}`);
    change.schedule = parsed.value;
  }
  if (stop !== undefined) change.stop = stop;
  const prices = pricesOf(gpuHourPrice, coreHourPrice);
  if (Object.keys(prices).length > 0) change.prices = prices;
  if (Object.keys(change).length === 0) {
    throw usageError('Nothing to set: give --pool, --tags, --schedule, --stop or a price.');
  }
  return change;
}

function addEnroll(node: Command, context: CliContext): void {
  const enroll = node
    .command('enroll')
    .description('Print a one-time token with which one machine may become a node.')
    .option('--ttl <duration>', 'how long it is good for', duration, 3_600_000);
  addConnectionOptions(enroll);
  example(
    enroll,
    'karst node enroll --ttl 10m > token',
    'karst agent --url https://… --token-file token',
  );
  enroll.action(async () => {
    const { ttl } = z.object({ ttl: z.number() }).parse(enroll.opts());
    const api = await connectWith(context, enroll);
    const body = { ttlSeconds: Math.ceil(ttl / 1000) };
    const { token, expiresAt } = await api.call(routes.createEnrollmentToken, { body });
    print(context, token);
    say(context, `Good for one enrolment until ${expiresAt}. It is not shown again.`);
  });
}
