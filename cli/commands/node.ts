import { routes } from '@karst/shared/protocol/routes.ts';
import { z } from 'zod';
import { quickRetry } from '../api/backoff.ts';
import { print, say } from '../context.ts';
import {
  addConnectionOptions,
  type CommandLine,
  connectWith,
  duration,
  example,
} from './command-line.ts';

const verbs = [
  {
    name: 'drain',
    description: 'Let a node finish what it runs and take nothing new.',
    row: routes.drainNode,
  },
  {
    name: 'undrain',
    description: 'Let a drained node take work again.',
    row: routes.undrainNode,
  },
] as const;

export function addNodeCommand({ program, context }: CommandLine): void {
  const node = program.command('node').description('Drain, undrain and enrol nodes.');
  for (const verb of verbs) {
    const command = node
      .command(verb.name)
      .description(verb.description)
      .argument('<node...>', 'the node id, or several');
    addConnectionOptions(command);
    example(command, `karst node ${verb.name} node-0123456789abcdef0123`);
    command.action(async (nodeIds: string[]) => {
      const api = await connectWith(context, command);
      for (const nodeId of nodeIds) {
        const changed = await api.call(verb.row, { params: { nodeId } }, { retry: quickRetry });
        say(context, `Node ${changed.id} is ${changed.state}.`);
      }
    });
  }
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
