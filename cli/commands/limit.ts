import { limitSettingsSchema } from '@karst/shared/protocol/farm-settings.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { type CliContext, say } from '../context.ts';
import { usageError } from '../failure.ts';
import {
  addConnectionOptions,
  type CommandLine,
  connectWith,
  example,
  integer,
} from './command-line.ts';
import { addOutputOption, outputFormatSchema, printList } from './output-format.ts';
import { limitColumns } from './settings-tables.ts';

export function addLimitCommand({ program, context }: CommandLine): void {
  const limit = program
    .command('limit')
    .description('Things the farm has only so many of: licences, seats, connections.');
  addGet(limit, context);
  addSet(limit, context);
  addDelete(limit, context);
}

function addGet(limit: Command, context: CliContext): void {
  const command = limit
    .command('get')
    .description('Every limit and how much of it is in use.')
    .argument('[limit]', 'only this one');
  addOutputOption(addConnectionOptions(command));
  example(command, 'karst limit get');
  command.action(async (name: string | undefined) => {
    const { output } = z.object({ output: outputFormatSchema }).parse(command.opts());
    const api = await connectWith(context, command);
    const { items } = await api.call(routes.listLimits, {});
    const rows = name === undefined ? items : items.filter((row) => row.name === name);
    printList(context, output, rows, { columns: limitColumns, name: (row) => row.name });
  });
}

const setOptions = z.object({
  max: z.int().optional(),
  per: limitSettingsSchema.shape.per.unwrap().optional(),
  reserve: z.int().optional(),
  usedElsewhere: z.int().optional(),
});

function addSet(limit: Command, context: CliContext): void {
  const command = limit
    .command('set')
    .description('Make or change a limit; what is not named stays.')
    .argument('<limit>', 'its name, as jobs name it')
    .option('--max <n>', 'how many there are', integer(0, 1_000_000))
    .addOption(
      new Option(
        '--per <what>',
        'whether each task takes one, or each node (default: task)',
      ).choices(limitSettingsSchema.shape.per.unwrap().options),
    )
    .option('--reserve <n>', 'how many are kept for artists at their desks', integer(0, 1_000_000))
    .option(
      '--used-elsewhere <n>',
      'how many others use, as the licence server tells',
      integer(0, 1_000_000),
    );
  addConnectionOptions(command);
  example(
    command,
    'karst limit set houdini --max 40 --reserve 10',
    'karst limit set houdini --used-elsewhere 17',
  );
  command.action(async (name: string) => {
    const { max, per, reserve, usedElsewhere } = setOptions.parse(command.opts());
    const api = await connectWith(context, command);
    const changes = { max, per, reserve };
    if (Object.values(changes).every((value) => value === undefined)) {
      if (usedElsewhere === undefined) throw usageError('Say what to set (--help tells).');
      const told = await api.call(routes.setLimitUse, {
        params: { name },
        body: { usedElsewhere },
      });
      say(context, `The farm may use ${told.forFarm} of ${told.max} ${name}.`);
      return;
    }
    const { items } = await api.call(routes.listLimits, {});
    const known = items.find((row) => row.name === name);
    const most = max ?? known?.max;
    if (most === undefined) throw usageError(`There is no limit ${name} yet: say --max.`);
    const body = {
      max: most,
      per: per ?? known?.per,
      reserve: reserve ?? known?.reserve,
      usedElsewhere: usedElsewhere ?? known?.usedElsewhere,
    };
    const set = await api.call(routes.setLimit, { params: { name }, body });
    say(context, `The farm may use ${set.forFarm} of ${set.max} ${name}.`);
  });
}

function addDelete(limit: Command, context: CliContext): void {
  const command = limit
    .command('delete')
    .description('Remove a limit: jobs that name it are held back no longer.')
    .argument('<limit>', 'its name');
  addConnectionOptions(command);
  example(command, 'karst limit delete houdini');
  command.action(async (name: string) => {
    const api = await connectWith(context, command);
    await api.call(routes.deleteLimit, { params: { name } });
    say(context, `There is no limit ${name} any more.`);
  });
}
