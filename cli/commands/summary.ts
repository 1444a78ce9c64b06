import { z } from 'zod';
import { printSummary } from '../summary/print-summary.ts';
import { readSummary } from '../summary/read-summary.ts';
import { addRecipesOption, type CommandLine, example, nameValue } from './command-line.ts';
import { addOutputOption, outputFormatSchema, printOne } from './output-format.ts';

const optionsSchema = z.object({
  recipes: z.array(z.string()).default([]),
  param: z.record(z.string(), z.string()).default({}),
  output: outputFormatSchema,
});

/** `summary`: what would a template or bundle make? Needs no farm. */
export function addSummaryCommand({ program, context }: CommandLine): void {
  const command = program
    .command('summary')
    .description(
      'Tell the parameters, environments, steps and tasks of a template, recipe or bundle.',
    )
    .argument('<file>', 'a job or environment template, a recipe file, or a bundle’s directory')
    .option('-p, --param <name=value>', 'a job parameter; repeat it for more', nameValue);
  addRecipesOption(command);
  addOutputOption(command, ['table', 'json', 'yaml', 'name']);
  example(
    command,
    'karst summary examples/orbit',
    'karst summary shot.yaml -p Frames=1-240 -o json',
  );
  command.action(async (target: string) => {
    const { param, recipes, output } = optionsSchema.parse(command.opts());
    const { cwd } = context;
    const summary = await readSummary({ target, cwd, given: param, recipeDirs: recipes });
    if (output === 'table') printSummary(context, summary);
    else printOne(context, output, summary, { lines: [], name: summary.name });
  });
}
