import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { PolicyValues } from '@karst/shared/protocol/policy-fields.ts';
import { stringify } from 'yaml';
import { z } from 'zod';
import { type CliContext, print, say } from '../context.ts';
import { CliError, errnoCode } from '../failure.ts';
import { type ReadRecipe, readRecipe, sayWarnings } from '../recipes/read-recipe.ts';
import { addRecipesOption, type CommandLine, example } from './command-line.ts';
import { addOutputOption, outputFormatSchema } from './output-format.ts';

const optionsSchema = z.object({
  recipes: z.array(z.string()).default([]),
  bundle: z.string().optional(),
  output: outputFormatSchema.extract(['yaml', 'json']),
});

/** `expand`: what job does a recipe file stand for? Needs no farm. */
export function addExpandCommand({ program, context }: CommandLine): void {
  const command = program
    .command('expand')
    .description('Print the job template that a recipe file ({render: …}) stands for.')
    .argument('<file>', 'a recipe file, YAML or JSON')
    .option('--bundle <dir>', 'write a bundle there, with parameter values and policy');
  addRecipesOption(command);
  addOutputOption(command, ['yaml', 'json']);
  example(
    command,
    'karst expand shot.yaml > template.yaml',
    'karst expand turntable.yaml --recipes studio/recipes --bundle out/turntable',
  );
  command.action(async (target: string) => {
    const options = optionsSchema.parse(command.opts());
    const file = path.resolve(context.cwd, target);
    const dirs = options.recipes.map((dir) => path.resolve(context.cwd, dir));
    const recipe = await readRecipe(file, dirs);
    sayWarnings(context, recipe);
    if (options.bundle !== undefined) {
      await writeBundle(recipe, path.resolve(context.cwd, options.bundle), options.output);
      return;
    }
    const flags = submitFlags(recipe);
    if (flags.length > 0) say(context, `Submit it with: ${flags.join(' ')}`);
    if (options.output === 'json') print(context, JSON.stringify(recipe.template, null, 2));
    else printTemplate(context, path.basename(file), recipe, flags);
  });
}

function printTemplate(
  context: CliContext,
  fileName: string,
  recipe: ReadRecipe,
  flags: readonly string[],
): void {
  const head = [`# What karst expand made of ${JSON.stringify(fileName)}; it belongs beside it.`];
  if (flags.length > 0) head.push(`# Submit it with: ${flags.join(' ')}`);
  context.stdout.write(`${head.join('\n')}\n${readable(recipe.template)}`);
}

/** Scripts as they are, line by line; nothing folded, nothing by reference. */
const readable = (value: unknown): string =>
  stringify(value, { lineWidth: 0, blockQuote: 'literal', aliasDuplicateObjects: false });

/** What a template cannot hold, as flags of `karst submit`. */
function submitFlags({ parameters, policy }: ReadRecipe): string[] {
  const flags = Object.entries(parameters).flatMap(([name, value]) => [
    '-p',
    shellWord(`${name}=${value}`),
  ]);
  const { priority, maxRetriesPerTask, maxFailedTasks, steps = {}, ...rest } = policy;
  if (priority !== undefined) flags.push('--priority', `${priority}`);
  if (maxRetriesPerTask !== undefined) flags.push('--max-retries', `${maxRetriesPerTask}`);
  if (maxFailedTasks !== undefined) flags.push('--max-failed', `${maxFailedTasks}`);
  for (const name of heldNames(steps)) flags.push('--hold', shellWord(name));
  const named = unflagged(steps);
  const whole = { ...rest, ...(Object.keys(named).length === 0 ? {} : { steps: named }) };
  const beside =
    Object.keys(whole).length === 0 ? [] : ['--policy', shellWord(JSON.stringify(whole))];
  return [...flags, ...stepFlags(steps), ...beside];
}

type StepPolicies = NonNullable<PolicyValues['steps']>;
type Frames = NonNullable<StepPolicies[string]['frameDependencies']>;

/** Whether the steps' own parameters are named, which no flag can do. */
const areNamed = (frames: Frames): boolean =>
  frames.some(({ parameter, on }) => parameter !== undefined || on !== undefined);

/** What no flag of its own can say of steps. */
const unflagged = (steps: StepPolicies): StepPolicies =>
  Object.fromEntries(
    Object.entries(steps).flatMap(([name, step]) => {
      const { hold: _, order: __, scout: ___, frameDependencies = [], ...rest } = step;
      const policy = areNamed(frameDependencies) ? { ...rest, frameDependencies } : rest;
      return Object.keys(policy).length === 0 ? [] : [[name, policy]];
    }),
  );

const stepFlags = (steps: StepPolicies): string[] =>
  Object.entries(steps).flatMap(([name, { order, scout, frameDependencies = [] }]) => [
    ...(order === undefined ? [] : ['--order', shellWord(`${name}=${order}`)]),
    ...(scout === undefined ? [] : ['--scout', shellWord(`${name}=${scout}`)]),
    ...(areNamed(frameDependencies) ? [] : frameDependencies).flatMap(({ step }) => [
      '--frame-by-frame',
      shellWord(`${name}=${step}`),
    ]),
  ]);

const heldNames = (steps: StepPolicies): string[] =>
  Object.entries(steps).flatMap(([name, { hold }]) => (hold === true ? [name] : []));

const shellWord = (text: string): string =>
  /^[A-Za-z0-9_./=:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** A bundle stands for itself wherever it is: every path in it is absolute. */
async function writeBundle(
  recipe: ReadRecipe,
  dir: string,
  format: 'yaml' | 'json',
): Promise<void> {
  const { priority, maxRetriesPerTask, maxFailedTasks, steps = {}, ...rest } = recipe.policy;
  const holds = heldNames(steps);
  const unheld = Object.entries(steps).flatMap(([name, { hold: _, ...step }]) =>
    Object.keys(step).length === 0 ? [] : [[name, step] as const],
  );
  const whole = { ...rest, ...(unheld.length === 0 ? {} : { steps: Object.fromEntries(unheld) }) };
  const values = [
    ...Object.entries(absolutePaths(recipe)),
    ['deadline:priority', priority] as const,
    ['deadline:maxRetriesPerTask', maxRetriesPerTask] as const,
    ['deadline:maxFailedTasksCount', maxFailedTasks] as const,
    ['karst:hold', holds.length === 0 ? undefined : holds] as const,
    ['karst:policy', Object.keys(whole).length === 0 ? undefined : whole] as const,
  ];
  const parameterValues = values.flatMap(([name, value]) =>
    value === undefined ? [] : [{ name, value }],
  );
  const text = (value: unknown) =>
    format === 'json' ? `${JSON.stringify(value, null, 2)}\n` : readable(value);
  try {
    await mkdir(dir, { recursive: true });
    await writeFile(path.join(dir, `template.${format}`), text(recipe.template), { flag: 'wx' });
    await writeFile(path.join(dir, `parameter_values.${format}`), text({ parameterValues }), {
      flag: 'wx',
    });
  } catch (error) {
    throw new CliError(`The bundle can't be written to ${dir} (${errnoCode(error)}).`, {
      cause: error,
    });
  }
}

const pathDefinitions = z.object({
  parameterDefinitions: z
    .array(
      z.object({
        name: z.string(),
        type: z.string(),
        dataFlow: z.string().optional(),
        default: z.unknown().optional(),
      }),
    )
    .default([]),
});

/** Input files stand where the recipe file is, not where the bundle is put. */
function absolutePaths({ template, parameters, rootDir }: ReadRecipe): Record<string, string> {
  const { parameterDefinitions } = pathDefinitions.parse(template);
  const defaults = parameterDefinitions.flatMap((each) =>
    each.type === 'PATH' && each.dataFlow !== 'OUT' && typeof each.default === 'string'
      ? [[each.name, path.resolve(rootDir, each.default)] as const]
      : [],
  );
  return { ...Object.fromEntries(defaults), ...parameters };
}
