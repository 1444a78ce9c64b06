import { z } from 'zod';
import { printSummary } from '../summary/print-summary.ts';
import { readSummary } from '../summary/read-summary.ts';
import { addRecipesOption, type CommandLine, example } from './command-line.ts';
import { addOutputOption, outputFormatSchema, printOne } from './output-format.ts';
import { addParamOption, givenValuesSchema } from './parameter-option.ts';

const optionsSchema = z.object({
  recipes: z.array(z.string()).default([]),
  param: givenValuesSchema,
  output: outputFormatSchema,
});

/** `summary`: what would a template or bundle make? Needs no farm. */
export function addSummaryCommand({ program, context }: CommandLine): void {
  const command = program
    .command('summary')
    .description(
      'Tell the parameters, environments, steps and tasks of a template, recipe or bundle.',
    )
    .argument('<file>', 'a job or environment template, a recipe file, or a bundle’s directory');
  addParamOption(command, context.cwd);
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
