import { routes } from '@karst/shared/protocol/routes.ts';
import { z } from 'zod';
import type { ApiClient } from '../api/client.ts';
import { print } from '../context.ts';
import { jobExplanationLines } from '../explain/job-lines.ts';
import { nodeExplanationLines } from '../explain/node-lines.ts';
import { CliError, usageError } from '../failure.ts';
import { plainText } from '../terminal/text.ts';
import { addConnectionOptions, type CommandLine, connectWith, example } from './command-line.ts';
import { addOutputOption, outputFormatSchema, printOne } from './output-format.ts';

const optionsSchema = z.object({ output: outputFormatSchema, node: z.string().optional() });

/** `explain`: why tasks of a job wait, or why a node idles. */
export function addExplainCommand({ program, context }: CommandLine): void {
  const command = program
    .command('explain')
    .description('Tell why the tasks of a job wait and until when, or why a node idles.')
    .argument('[job]', 'the job id')
    .option('--node <node>', 'why this node idles: its id or its name (needs an operator’s key)');
  addOutputOption(addConnectionOptions(command), ['table', 'json', 'yaml']);
  example(command, 'karst explain job-0123456789abcdef0123', 'karst explain --node render-07');
  command.action(async (jobId: string | undefined) => {
    const { output, node } = optionsSchema.parse(command.opts());
    if ((jobId === undefined) === (node === undefined)) {
      throw usageError('Name a job, or a node with --node.');
    }
    const api = await connectWith(context, command);
    const tell = (value: object, lines: readonly string[]) => {
      if (output === 'table') for (const line of lines) print(context, plainText(line));
      else printOne(context, output, value, { lines: [], name: '' });
    };
    if (jobId !== undefined) {
      const told = await api.call(routes.explainJob, { params: { jobId } });
      tell(told, jobExplanationLines(told, context.clock.nowMs()));
    } else {
      const nodeId = await nodeNamed(api, node ?? '');
      const told = await api.call(routes.explainNode, { params: { nodeId } });
      tell(told, nodeExplanationLines(told));
    }
  });
}

/** The id of a node given by its id or its name. */
async function nodeNamed(api: ApiClient, given: string): Promise<string> {
  const { items } = await api.call(routes.listNodes, {});
  const found = items.filter(({ id, name }) => id === given || name === given);
  const [first, second] = found;
  if (first === undefined) throw new CliError(`There is no node ${given}.`);
  if (second === undefined) return first.id;
  // A machine that was enrolled anew leaves its former self behind, offline.
  const alive = found.filter(({ state }) => state !== 'offline');
  if (alive.length === 1 && alive[0] !== undefined) return alive[0].id;
  throw new CliError(`Several nodes are named ${given}: name one by its id.`, {
    details: found.map(({ id, state }) => `${id} (${state})`),
  });
}
