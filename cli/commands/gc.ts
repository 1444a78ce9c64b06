import type { Collected } from '@karst/shared/protocol/collection.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { z } from 'zod';
import { say } from '../context.ts';
import type { Column } from '../terminal/table.ts';
import { formatBytes } from '../terminal/text.ts';
import { addConnectionOptions, type CommandLine, connectWith, example } from './command-line.ts';
import { addOutputOption, outputFormatSchema, printList } from './output-format.ts';

const optionsSchema = z.object({ dryRun: z.boolean().default(false), output: outputFormatSchema });

const columns: Column<Collected>[] = [
  { title: 'STUDIO', value: ({ studio }) => studio },
  { title: 'UNUSED', value: ({ unused }) => unused.files },
  { title: 'BYTES', value: ({ unused }) => formatBytes(unused.bytes) },
  { title: 'KEPT', value: ({ kept }) => kept.files },
  { title: 'BYTES', value: ({ kept }) => formatBytes(kept.bytes) },
];

/** `gc`: input files that nobody needs, now instead of within hours. */
export function addGcCommand({ program, context }: CommandLine): void {
  const command = program
    .command('gc')
    .description('Delete input files that no kept job refers to and nobody asked for lately.')
    .option('--dry-run', 'only tell what would go');
  addOutputOption(addConnectionOptions(command));
  example(command, 'karst gc --dry-run');
  command.action(async () => {
    const { dryRun, output } = optionsSchema.parse(command.opts());
    const api = await connectWith(context, command);
    const { items, isWhole } = await api.call(routes.collectGarbage, { body: { dryRun } });
    printList(context, output, items, { columns, name: ({ studio }) => studio });
    if (!isWhole) say(context, 'There was not time for all of it: what is listed is done.');
  });
}
