import { type NamedShare, shareSettingsSchema } from '@karst/shared/protocol/farm-settings.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import type { ApiClient } from '../api/client.ts';
import { type CliContext, say } from '../context.ts';
import { usageError } from '../failure.ts';
import {
  addConnectionOptions,
  type CommandLine,
  connectWith,
  example,
  integer,
  NONE,
  orNone,
} from './command-line.ts';
import { addOutputOption, outputFormatSchema, printList } from './output-format.ts';
import { shareColumns, shareName } from './settings-tables.ts';

export function addShareCommand({ program, context }: CommandLine): void {
  const share = program
    .command('share')
    .description('Who is owed how much of the farm, and may have how much at most.');
  addGet(share, context);
  addSet(share, context);
  addDelete(share, context);
}

/** What a person names: `STUDIO` or `STUDIO/PROJECT`. */
const ownerArgument = ['<studio[/project]>', 'a studio, or a project of it'] as const;

/** Of what a person names. */
export function readOwner(text: string): { studio: string; project: string | undefined } {
  const slash = text.indexOf('/');
  return slash === -1
    ? { studio: text, project: undefined }
    : { studio: text.slice(0, slash), project: text.slice(slash + 1) };
}

const getOptions = z.object({ output: outputFormatSchema, own: z.boolean().default(false) });

function addGet(share: Command, context: CliContext): void {
  const command = share
    .command('get')
    .description('Shares, what was used lately and ever, and what runs now of what may.')
    .argument('[studio[/project]]', 'only this one')
    .option('--own', 'those of the key’s own studio; any key may ask');
  addOutputOption(addConnectionOptions(command));
  example(command, 'karst share get', 'karst share get --own -o json');
  command.action(async (name: string | undefined) => {
    const { output, own } = getOptions.parse(command.opts());
    const api = await connectWith(context, command);
    const items = own ? await ownShares(api) : (await api.call(routes.listShares, {})).items;
    const rows = name === undefined ? items : items.filter((row) => shareName(row) === name);
    printList(context, output, rows, { columns: shareColumns, name: shareName });
  });
}

async function ownShares(api: ApiClient): Promise<NamedShare[]> {
  const { studio, projects } = await api.call(routes.getOwnShare, {});
  return [studio, ...projects];
}

const mostOrNone = orNone(integer(0, 1_000_000));
const most = z.union([z.literal(NONE), z.int()]).optional();
const setOptions = z.object({
  weight: z.number().optional(),
  guaranteed: z.int().optional(),
  maxTasks: most,
  maxGpus: most,
  maxNodes: most,
  budget: z.union([z.literal(NONE), z.number()]).optional(),
});

function addSet(share: Command, context: CliContext): void {
  const command = share
    .command('set')
    .description('Change a share; what is not named stays. "none" takes a ceiling or budget back.')
    .argument(...ownerArgument)
    .option('--weight <n>', 'its share against the others that have work', weight)
    .option('--guaranteed <n>', 'running tasks it gets before others', integer(0, 1_000_000))
    .option('--max-tasks <n>', 'most tasks running at once', mostOrNone)
    .option('--max-gpus <n>', 'most GPUs held at once', mostOrNone)
    .option('--max-nodes <n>', 'most nodes it runs on at once', mostOrNone)
    .option('--budget <core-hours>', 'all it may ever use; a GPU counts as 16 cores', budgetOrNone);
  addConnectionOptions(command);
  example(
    command,
    'karst share set acme --weight 2 --guaranteed 10 --max-gpus 16',
    'karst share set "acme/feature film" --max-tasks none',
    'karst share set acme --budget 5000',
  );
  command.action(async (text: string) => {
    const { guaranteed, budget, ...rest } = setOptions.parse(command.opts());
    const said = { ...rest, guaranteedTasks: guaranteed, budgetCoreHours: budget };
    const changes = Object.entries(said).filter(([, value]) => value !== undefined);
    if (changes.length === 0) throw usageError('Say what to set (--help tells).');
    const api = await connectWith(context, command);
    const { items } = await api.call(routes.listShares, {});
    const known = items.find((row) => shareName(row) === text);
    const merged = { ...known, ...Object.fromEntries(changes) };
    const fields = Object.keys(shareSettingsSchema.shape);
    const kept = Object.entries(merged).filter(
      ([field, value]) => fields.includes(field) && value !== NONE,
    );
    const body = shareSettingsSchema.parse(Object.fromEntries(kept));
    const { studio, project } = readOwner(text);
    const set =
      project === undefined
        ? await api.call(routes.setStudioShare, { params: { studio }, body })
        : await api.call(routes.setProjectShare, { params: { studio, project }, body });
    say(context, `The share of ${shareName(set)} is set.`);
  });
}

function weight(text: string): number {
  const value = Number(text);
  if (!(value >= 0.001 && value <= 1_000_000)) {
    throw new InvalidArgumentError('Expected a number from 0.001 to 1000000.');
  }
  return value;
}

function budgetOrNone(text: string): number | typeof NONE {
  if (text === NONE) return NONE;
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1_000_000_000_000)) {
    throw new InvalidArgumentError('Expected core-hours, a number from 0, or "none".');
  }
  return value;
}

function addDelete(share: Command, context: CliContext): void {
  const command = share
    .command('delete')
    .description('Give a studio or project the share everybody has, without ceilings and budget.')
    .argument(...ownerArgument);
  addConnectionOptions(command);
  example(command, 'karst share delete acme');
  command.action(async (text: string) => {
    const api = await connectWith(context, command);
    const { studio, project } = readOwner(text);
    if (project === undefined) await api.call(routes.deleteStudioShare, { params: { studio } });
    else await api.call(routes.deleteProjectShare, { params: { studio, project } });
    say(context, `The share of ${text} is as everybody’s.`);
  });
}
