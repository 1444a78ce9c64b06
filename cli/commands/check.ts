import path from 'node:path';
import { z } from 'zod';
import { checkTargets } from '../check/check-targets.ts';
import { renderReport, reportData, summaryLine } from '../check/print-reports.ts';
import { print, say } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { readRecipeFolders } from '../recipes/recipe-folder.ts';
import { addRecipesOption, type CommandLine, example } from './command-line.ts';
import { addOutputOption, outputFormatSchema, printList } from './output-format.ts';

const optionsSchema = z.object({
  recipes: z.array(z.string()).default([]),
  output: outputFormatSchema,
});

/** `check`: are these files valid? Needs no farm. */
export function addCheckCommand({ program, context, finish }: CommandLine): void {
  const command = program
    .command('check')
    .description(
      'Check templates, recipes and bundles without a farm. Exits with 1 if any is not valid.',
    )
    .argument('<file...>', 'templates, recipe files, bundle directories, or - for standard input');
  addRecipesOption(command);
  addOutputOption(command, ['table', 'json', 'yaml', 'name']);
  example(command, 'karst check examples/orbit shots/*.yaml', 'karst check - -o json < shot.yaml');
  command.action(async (targets: string[]) => {
    const { output, recipes: dirs } = optionsSchema.parse(command.opts());
    const { cwd, stdin } = context;
    const folders = dirs.map((dir) => path.resolve(cwd, dir));
    const recipes = await readRecipeFolders(folders, cwd);
    const reports = await checkTargets(targets, { cwd, stdin, recipes });
    if (reports.some(({ problems }) => problems.length > 0)) finish(exitCodes.error);
    if (output !== 'table') {
      // As names, only those that need work: for a loop over them.
      const rows = reports.map(reportData).filter(({ ok }) => output !== 'name' || !ok);
      printList(context, output, rows, { columns: [], name: ({ file }) => file });
      return;
    }
    for (const line of reports.flatMap(renderReport)) print(context, line);
    say(context, summaryLine(reports));
  });
}
