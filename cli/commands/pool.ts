import { type PoolSettings, poolSettingsSchema } from '@karst/shared/protocol/farm-settings.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { parseSchedule } from '@karst/shared/schedule/schedule-text.ts';
import type { Command } from 'commander';
import { z } from 'zod';
import { type CliContext, say } from '../context.ts';
import { usageError } from '../failure.ts';
import { addConnectionOptions, type CommandLine, connectWith, example } from './command-line.ts';
import { addOutputOption, outputFormatSchema, printList } from './output-format.ts';
import { poolColumns } from './settings-tables.ts';

export function addPoolCommand({ program, context }: CommandLine): void {
  const pool = program
    .command('pool')
    .description('Whose jobs the nodes of a pool take, and when.');
  addGet(pool, context);
  addSet(pool, context);
  addDelete(pool, context);
}

function addGet(pool: Command, context: CliContext): void {
  const command = pool
    .command('get')
    .description('Every pool that has settings or nodes.')
    .argument('[pool]', 'only this one');
  addOutputOption(addConnectionOptions(command));
  example(command, 'karst pool get');
  command.action(async (name: string | undefined) => {
    const { output } = z.object({ output: outputFormatSchema }).parse(command.opts());
    const api = await connectWith(context, command);
    const { items } = await api.call(routes.listPools, {});
    const rows = name === undefined ? items : items.filter((row) => row.name === name);
    printList(context, output, rows, { columns: poolColumns, name: (row) => row.name });
  });
}

const setOptions = z.object({
  studios: z.string().optional(),
  classes: z.string().optional(),
  schedule: z.string().optional(),
  exclusive: z.boolean().optional(),
  shared: z.boolean().optional(),
});

function addSet(pool: Command, context: CliContext): void {
  const command = pool
    .command('set')
    .description('Change who may use a pool; what is not named stays.')
    .argument('<pool>', 'its name')
    .option('--studios <list>', 'only jobs of these, with commas; "all" for everybody’s')
    .option('--classes <list>', 'only jobs of these priority classes; "all" for any')
    .option('--exclusive', 'only jobs that name the pool')
    .option('--shared', 'also jobs that name no pool')
    .option('--schedule <windows>', 'when tasks may start there; "always": no schedule');
  addConnectionOptions(command);
  example(
    command,
    'karst pool set gpu --studios acme,pixels --exclusive',
    'karst pool set desks --classes background --schedule "mon-fri 20:00-08:00 Europe/Berlin"',
  );
  command.action(async (name: string) => {
    const change = readChange(setOptions.parse(command.opts()));
    const api = await connectWith(context, command);
    const { items } = await api.call(routes.listPools, {});
    const known = items.find((row) => row.name === name);
    const { studios, classes, exclusive, schedule } = { ...known, ...change };
    const body = poolSettingsSchema.parse({ studios, classes, exclusive, schedule });
    const set = await api.call(routes.setPool, { params: { name }, body });
    say(context, `Pool ${name} is set; it has ${set.nodeCount} nodes.`);
  });
}

const words = (list: string): string[] => list.split(',').map((word) => word.trim());

function readChange(options: z.output<typeof setOptions>): Partial<PoolSettings> {
  const { studios, classes, schedule, exclusive, shared } = options;
  if (exclusive && shared) throw usageError('--exclusive and --shared say opposite things.');
  const change = {
    ...(studios === undefined ? {} : { studios: studios === 'all' ? undefined : words(studios) }),
    ...(classes === undefined ? {} : { classes: classes === 'all' ? undefined : words(classes) }),
    ...(exclusive || shared ? { exclusive: exclusive === true } : {}),
    ...(schedule === undefined ? {} : { schedule: readSchedule(schedule) }),
  };
  if (Object.keys(change).length === 0) throw usageError('Say what to set (--help tells).');
  const checked = poolSettingsSchema.partial().safeParse(change);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    throw usageError(`--${String(issue?.path[0])}: ${issue?.message}`);
  }
  // What the schema filled in or dropped was not said.
  return Object.fromEntries(
    Object.keys(change).map((name) => [name, Reflect.get(checked.data, name)]),
  );
}

function readSchedule(text: string) {
  if (text === 'always') return undefined;
  const parsed = parseSchedule(text);
  if (!parsed.ok) throw usageError(`--schedule: ${parsed.error}`);
  return parsed.value;
}

function addDelete(pool: Command, context: CliContext): void {
  const command = pool
    .command('delete')
    .description('Remove a pool’s settings: its nodes take everybody’s jobs.')
    .argument('<pool>', 'its name');
  addConnectionOptions(command);
  example(command, 'karst pool delete gpu');
  command.action(async (name: string) => {
    const api = await connectWith(context, command);
    await api.call(routes.deletePool, { params: { name } });
    say(context, `Nothing is set for pool ${name} any more.`);
  });
}
