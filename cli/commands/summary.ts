import { z } from 'zod';
import { printSummary } from '../summary/print-summary.ts';
import { readSummary } from '../summary/read-summary.ts';
import { type CommandLine, example, nameValue } from './command-line.ts';
import { addOutputOption, outputFormatSchema, printOne } from './output-format.ts';

const optionsSchema = z.object({
  param: z.record(z.string(), z.string()).default({}),
  output: outputFormatSchema,
});

/** `summary`: what would a template or bundle make? Needs no farm. */
export function addSummaryCommand({ program, context }: CommandLine): void {
  const command = program
    .command('summary')
    .description('Tell the parameters, environments, steps and tasks of a template or bundle.')
    .argument('<file>', 'a job or environment template, or a bundle’s directory')
    .option('-p, --param <name=value>', 'a job parameter; repeat it for more', nameValue);
  addOutputOption(command, ['table', 'json', 'yaml', 'name']);
  example(
    command,
    'karst summary examples/orbit',
    'karst summary shot.yaml -p Frames=1-240 -o json',
  );
  command.action(async (target: string) => {
    const { param, output } = optionsSchema.parse(command.opts());
    const summary = await readSummary(target, param, context.cwd);
    if (output === 'table') printSummary(context, summary);
    else printOne(context, output, summary, { lines: [], name: summary.name });
  });
}
