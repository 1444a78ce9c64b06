import { roleSchema } from '@karst/shared/protocol/access.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { Option } from 'commander';
import { z } from 'zod';
import { print, say } from '../context.ts';
import { addConnectionOptions, type CommandLine, connectWith, example } from './command-line.ts';
import { addOutputOption, outputFormatSchema, printList, printOne } from './output-format.ts';
import { keyColumns } from './resource-tables.ts';

const createOptions = z.object({
  studio: z.string(),
  role: roleSchema,
  note: z.string().optional(),
});
const listOptions = z.object({ output: outputFormatSchema });

export function addKeyCommand({ program, context }: CommandLine): void {
  const key = program.command('key').description('Make, list and revoke API keys.');
  const create = key
    .command('create')
    .description('Make an API key and print it. A studio exists from its first key on.')
    .requiredOption('--studio <name>', 'the studio it belongs to')
    .addOption(
      new Option('--role <role>', 'what it may do; each includes those before it')
        .choices(roleSchema.options)
        .makeOptionMandatory(),
    )
    .option('--note <text>', 'what it is for');
  addConnectionOptions(create);
  example(
    create,
    'karst key create --studio acme --role submit --note "render wranglers" > acme.key',
  );
  create.action(async () => {
    const body = createOptions.parse(create.opts());
    const api = await connectWith(context, create);
    const made = await api.call(routes.createKey, { body });
    print(context, made.key);
    say(context, `Key ${made.id} of ${made.studio}, role ${made.role}. It is not shown again.`);
  });

  const list = key.command('list').description('Every API key, without its secret.');
  addOutputOption(addConnectionOptions(list));
  example(list, 'karst key list');
  list.action(async () => {
    const { output } = listOptions.parse(list.opts());
    const api = await connectWith(context, list);
    const { items } = await api.call(routes.listKeys, {});
    printList(context, output, items, { columns: keyColumns, name: ({ id }) => id });
  });

  const revoke = key
    .command('revoke')
    .description('Revoke an API key, within ten seconds everywhere.')
    .argument('<key-id>', 'its id, as karst key list prints it');
  addConnectionOptions(revoke);
  example(revoke, 'karst key revoke 0123456789abcdef0123');
  revoke.action(async (keyId: string) => {
    const api = await connectWith(context, revoke);
    await api.call(routes.revokeKey, { params: { keyId } });
    say(context, `Key ${keyId} is revoked.`);
  });
}

export function addWhoamiCommand({ program, context }: CommandLine): void {
  const command = program.command('whoami').description('Which studio and role the API key has.');
  addOutputOption(addConnectionOptions(command));
  example(command, 'karst whoami');
  command.action(async () => {
    const { output } = listOptions.parse(command.opts());
    const api = await connectWith(context, command);
    const self = await api.call(routes.whoami, {});
    const lines: [string, string][] = [
      ['Studio', self.studio],
      ['Role', self.role],
      ['Key', self.keyId],
    ];
    printOne(context, output, self, { lines, name: self.studio });
  });
}
