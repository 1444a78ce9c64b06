import { type AddTasks, addTasksSchema } from '@karst/shared/protocol/added-tasks.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { z } from 'zod';
import { quickRetry } from '../api/backoff.ts';
import { say } from '../context.ts';
import { usageError } from '../failure.ts';
import { count, plainText } from '../terminal/text.ts';
import { addConnectionOptions, type CommandLine, connectWith, example } from './command-line.ts';
import { addOutputOption, outputFormatSchema, printOne } from './output-format.ts';

const optionsSchema = z.object({ output: outputFormatSchema.exclude(['table']) });

/** `add-tasks`: more frames for a step that is there. */
export function addAddTasksCommand({ program, context }: CommandLine): void {
  const command = program
    .command('add-tasks')
    .description('Add tasks to a step of a job that is there, whether it runs or has succeeded.')
    .argument('<job>', 'the job id')
    .argument('<step>', 'the step’s name')
    .argument('<values...>', 'NAME=RANGE, or NAME=LIST as JSON, of each parameter with new values');
  addConnectionOptions(command);
  addOutputOption(command, ['name', 'json', 'yaml']);
  command.addHelpText(
    'after',
    '\nParameters that are not named keep the values that the step began with.',
  );
  example(
    command,
    'karst add-tasks job-0123456789abcdef0123 Render Frame=241-300',
    `karst add-tasks job-0123456789abcdef0123 Render Frame=1-240 'Look=["dusk", "night"]'`,
  );
  command.action(async (jobId: string, step: string, values: string[]) => {
    const { output } = optionsSchema.parse(command.opts());
    const body = { step, ranges: rangesOf(values) };
    const api = await connectWith(context, command);
    const added = await api.call(
      routes.addTasks,
      { params: { jobId }, body },
      { headers: { 'idempotency-key': context.random.uuid() }, retry: quickRetry },
    );
    const { first, last, startedDependents = [] } = added;
    const name = plainText(added.step.name);
    say(
      context,
      `${count(last - first + 1, 'task')} added to ${name} of job ${jobId}: ${first} to ${last}.`,
    );
    for (const dependent of startedDependents) {
      const told = plainText(dependent);
      say(context, `${told} had begun and does not wait for them: requeue its tasks to run again.`);
    }
    printOne(context, output, added, { lines: [], name: `${added.step.name}/${first}-${last}` });
  });
}

function rangesOf(values: readonly string[]): AddTasks['ranges'] {
  const ranges: AddTasks['ranges'] = {};
  for (const text of values) {
    const equals = text.indexOf('=');
    const name = text.slice(0, equals).trim();
    const value = text.slice(equals + 1).trim();
    if (equals < 1 || value === '') throw usageError(`Expected NAME=RANGE, found "${text}".`);
    if (Object.hasOwn(ranges, name)) throw usageError(`${name} is there twice.`);
    ranges[name] = value.startsWith('[') ? listOf(name, value) : value;
  }
  return ranges;
}

function listOf(name: string, text: string): AddTasks['ranges'][string] {
  try {
    return addTasksSchema.shape.ranges.valueType.parse(JSON.parse(text));
  } catch {
    throw usageError(`${name}: expected a JSON list of values, such as ["dusk", "night"].`);
  }
}
