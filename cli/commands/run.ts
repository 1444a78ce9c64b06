import { spawn } from 'node:child_process';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../context.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { type Plan, readPlan } from '../run/read-plan.ts';
import { entryFile } from '../up/parts.ts';
import { addRecipesOption, type CommandLine, example, nameValue } from './command-line.ts';
import { addParamOption, givenValuesSchema } from './parameter-option.ts';

const optionsSchema = z.object({
  param: givenValuesSchema,
  recipes: z.array(z.string()).default([]),
  environment: z.array(z.string()).default([]),
  pathMappingRules: z.string().optional(),
  step: z.string().optional(),
  runDependencies: z.boolean().default(false),
  tasks: z.string().optional(),
  taskParam: z.record(z.string(), z.string()).optional(),
  maximumTasks: z.int().optional(),
  preserve: z.boolean().default(false),
});

/** -1 is OpenJD's word for all of them. */
function tasksMax(text: string): number | undefined {
  if (text === '-1') return undefined;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number of 1 or more, or -1 for all.');
}

/** Outermost first, under both of OpenJD's names for the flag. */
function addEnvironmentOption(command: Command): void {
  const files: string[] = [];
  const collect = (file: string): string[] => {
    files.push(file);
    command.setOptionValue('environment', files);
    return files;
  };
  const told = 'an environment template to run it in; repeat it for more';
  command.addOption(new Option('--environment <file>', told).argParser(collect));
  command.addOption(new Option('--env <file>').hideHelp().argParser(collect));
}

/** `run`: a template on this machine, with the agent's own session code and no farm. */
export function addRunCommand({ program, context, finish }: CommandLine): void {
  const command = program
    .command('run')
    .description('Run a template on this machine, without a farm: to try it before submitting.')
    .argument('<file>', 'a job template, a recipe file, or a bundle’s directory')
    .option('--path-mapping-rules <rules>', 'OpenJD path mapping rules: a file, or the JSON itself')
    .option('--step <name>', 'only this step (default: all, in the order of their dependencies)')
    .option('--run-dependencies', 'with --step: first the steps it depends on')
    .option('--no-run-dependencies', 'with --step: that step alone (default)')
    .addOption(
      new Option('-t, --task-param <name=value>', 'the tasks with this value; repeat it for more')
        .argParser(nameValue)
        .conflicts(['tasks', 'maximumTasks']),
    )
    .addOption(
      new Option(
        '--tasks <selection>',
        'only these: NAME=VALUE,… or JSON or file://PATH',
      ).conflicts('maximumTasks'),
    )
    .option('--maximum-tasks <n>', 'at most so many tasks of a step', tasksMax)
    .option('--preserve', 'leave the session’s directory, and tell where it is');
  addParamOption(command, context.cwd);
  addEnvironmentOption(command);
  addRecipesOption(command);
  example(
    command,
    'karst run shot.yaml -p Frames=1-240 --step Render --tasks Frame=12',
    'karst run bundle/ --environment blender.env.yaml --path-mapping-rules rules.json',
  );
  command.action(async (target: string) => {
    const options = optionsSchema.parse(command.opts());
    const plan = await readPlan(
      target,
      {
        ...options,
        pathMappingRules: options.pathMappingRules,
        step: options.step,
        tasks: options.tasks,
        taskParam: options.taskParam,
        maximumTasks: options.maximumTasks,
      },
      context,
    );
    finish(await runPlan(context, plan));
  });
}

/** Its output is ours; signals go to it. */
async function runPlan(context: CliContext, plan: Plan): Promise<ExitCode> {
  const child = spawn(process.execPath, [entryFile('@karst/agent/run-main.ts')], {
    env: context.env,
    cwd: context.cwd,
    stdio: ['pipe', 'inherit', 'inherit'],
    // Ctrl-C reaches it through us only, once.
    detached: true,
  });
  // It stays open: when we are gone, it ends.
  child.stdin?.on('error', () => undefined);
  child.stdin?.write(`${JSON.stringify(plan)}\n`);
  let interrupted = false;
  const forward = (signal: NodeJS.Signals) => {
    interrupted = true;
    child.kill(signal);
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, forward);
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (exitCode) => resolve(exitCode ?? 1));
    });
    if (interrupted) return exitCodes.interrupted;
    return code === 0 ? exitCodes.ok : exitCodes.error;
  } finally {
    for (const signal of signals) process.off(signal, forward);
  }
}
