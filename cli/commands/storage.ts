import { parseBytes } from '@karst/shared/byte-text.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import type { NamedStorageSettings } from '@karst/shared/protocol/storage-settings.ts';
import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { type CliContext, say } from '../context.ts';
import { usageError } from '../failure.ts';
import { formatBytes } from '../terminal/text.ts';
import {
  addConnectionOptions,
  type CommandLine,
  connectWith,
  example,
  NONE,
} from './command-line.ts';
import { addOutputOption, outputFormatSchema, printList } from './output-format.ts';
import { readOwner } from './share.ts';

const FOREVER = 'forever';

export function addStorageCommand({ program, context }: CommandLine): void {
  const storage = program
    .command('storage')
    .description(
      'How long ended jobs of studios and projects are kept, and how much they may store.',
    );
  addGet(storage, context);
  addSet(storage, context);
  addDelete(storage, context);
}

const ownerArgument = ['<studio[/project]>', 'a studio, or a project of it'] as const;

const ownerName = ({ studio, project }: NamedStorageSettings): string =>
  project === undefined ? studio : `${studio}/${project}`;

const retentionText = ({ retentionDays }: NamedStorageSettings): string => {
  if (retentionDays === undefined) return '-';
  return retentionDays === null ? FOREVER : `${retentionDays}d`;
};

const bytesText = (bytes: number | undefined) => (bytes === undefined ? '-' : formatBytes(bytes));

function addGet(storage: Command, context: CliContext): void {
  const command = storage
    .command('get')
    .description('What is set, by studio and project.')
    .argument('[studio[/project]]', 'only this one');
  addOutputOption(addConnectionOptions(command));
  example(command, 'karst storage get');
  command.action(async (name: string | undefined) => {
    const { output } = z.object({ output: outputFormatSchema }).parse(command.opts());
    const api = await connectWith(context, command);
    const { items } = await api.call(routes.listStorageSettings, {});
    const rows = name === undefined ? items : items.filter((row) => ownerName(row) === name);
    const columns = [
      { title: 'OWNER', value: ownerName },
      { title: 'RETENTION', value: retentionText },
      { title: 'QUOTA', value: ({ quotaBytes }: NamedStorageSettings) => bytesText(quotaBytes) },
      { title: 'USED', value: ({ usedBytes }: NamedStorageSettings) => bytesText(usedBytes) },
    ];
    printList(context, output, rows, { columns, name: ownerName });
  });
}

/** `30d`, `12w`, `1y`, or `forever`. */
function retention(text: string): number | typeof FOREVER {
  if (text === FOREVER) return FOREVER;
  const match = /^(\d{1,5})([dwy])$/.exec(text);
  const unitDays = { d: 1, w: 7, y: 365 };
  const unit = match?.[2];
  const factor = unit === 'w' || unit === 'y' ? unitDays[unit] : unitDays.d;
  const days = Number(match?.[1]) * factor;
  if (match === null || days < 1 || days > 36_500) {
    throw new InvalidArgumentError('Expected days, weeks or years (30d, 12w, 1y), or forever.');
  }
  return days;
}

/** `10TB`, or `none`. */
function quota(text: string): number | typeof NONE {
  if (text === NONE) return NONE;
  const bytes = parseBytes(text);
  if (bytes === undefined) {
    throw new InvalidArgumentError('Expected a size (500GB, 10TB, 1.5TB), or none.');
  }
  return bytes;
}

const setOptions = z.object({
  retention: z.union([z.literal(FOREVER), z.int()]).optional(),
  quota: z.union([z.literal(NONE), z.int()]).optional(),
});

function addSet(storage: Command, context: CliContext): void {
  const command = storage
    .command('set')
    .description('Say how long ended jobs are kept, or how much is; what is not named stays.')
    .argument(...ownerArgument)
    .option(
      '--retention <time>',
      'delete jobs so long after their end: 30d, 1y, forever',
      retention,
    )
    .option('--quota <size>', 'most a studio may store: 500GB, 10TB, none', quota);
  addConnectionOptions(command);
  example(
    command,
    'karst storage set acme --retention 90d --quota 10TB',
    'karst storage set "acme/feature film" --retention forever',
  );
  command.action(async (text: string) => {
    const said = setOptions.parse(command.opts());
    if (said.retention === undefined && said.quota === undefined) {
      throw usageError('Say what to set: --retention, --quota.');
    }
    const { studio, project } = readOwner(text);
    if (project !== undefined && said.quota !== undefined) {
      throw usageError('Only a studio has a quota: name it without a project.');
    }
    const api = await connectWith(context, command);
    const { items } = await api.call(routes.listStorageSettings, {});
    const known = items.find((row) => ownerName(row) === text);
    const retentionDays = said.retention === FOREVER ? null : said.retention;
    const kept = retentionDays === undefined ? known?.retentionDays : retentionDays;
    const retained = kept === undefined ? {} : { retentionDays: kept };
    if (project === undefined) {
      const most = said.quota ?? known?.quotaBytes ?? NONE;
      const body = { ...retained, ...(most === NONE ? {} : { quotaBytes: most }) };
      await api.call(routes.setStudioStorage, { params: { studio }, body });
    } else {
      await api.call(routes.setProjectStorage, { params: { studio, project }, body: retained });
    }
    sayKept(context, text, retentionDays);
    if (said.quota === NONE) say(context, `${text} may store as much as there is room.`);
    else if (said.quota !== undefined)
      say(context, `${text} may store ${formatBytes(said.quota)}.`);
  });
}

function sayKept(context: CliContext, owner: string, days: number | null | undefined): void {
  if (days === undefined) return;
  const kept = days === null ? 'for ever' : `for ${days} days after their end`;
  say(context, `Jobs of ${owner} are kept ${kept}.`);
}

function addDelete(storage: Command, context: CliContext): void {
  const command = storage
    .command('delete')
    .description(
      'Forget what is set: projects do as their studio, studios keep all jobs, without a quota.',
    )
    .argument(...ownerArgument);
  addConnectionOptions(command);
  example(command, 'karst storage delete acme');
  command.action(async (text: string) => {
    const api = await connectWith(context, command);
    const { studio, project } = readOwner(text);
    if (project === undefined) await api.call(routes.deleteStudioStorage, { params: { studio } });
    else await api.call(routes.deleteProjectStorage, { params: { studio, project } });
    say(context, `Nothing is set for ${text} any more.`);
  });
}
