import { z } from 'zod';
import { checkTargets } from '../check/check-targets.ts';
import { renderReport, reportData, summaryLine } from '../check/print-reports.ts';
import { print, say } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { type CommandLine, example } from './command-line.ts';
import { addOutputOption, outputFormatSchema, printList } from './output-format.ts';

const optionsSchema = z.object({ output: outputFormatSchema });

/** `check`: are these files valid? Needs no farm. */
export function addCheckCommand({ program, context, finish }: CommandLine): void {
  const command = program
    .command('check')
    .description('Check templates and bundles without a farm. Exits with 1 if any is not valid.')
    .argument(
      '<file...>',
      'job and environment templates, bundle directories, or - for standard input',
    );
  addOutputOption(command, ['table', 'json', 'yaml', 'name']);
  example(command, 'karst check examples/orbit shots/*.yaml', 'karst check - -o json < shot.yaml');
  command.action(async (targets: string[]) => {
    const { output } = optionsSchema.parse(command.opts());
    const reports = await checkTargets(targets, context);
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
