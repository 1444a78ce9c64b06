import { spawn } from 'node:child_process';
import { z } from 'zod';
import type { CliContext } from '../context.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { type Plan, readPlan } from '../run/read-plan.ts';
import { entryFile } from '../up/parts.ts';
import { addRecipesOption, type CommandLine, example, integer, nameValue } from './command-line.ts';

const optionsSchema = z.object({
  param: z.record(z.string(), z.string()).default({}),
  recipes: z.array(z.string()).default([]),
  env: z.array(z.string()).default([]),
  pathMappingRules: z.string().optional(),
  step: z.string().optional(),
  runDependencies: z.boolean().default(false),
  tasks: z.string().optional(),
  maximumTasks: z.int().optional(),
});

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

/** `run`: a template on this machine, with the agent's own session code and no farm. */
export function addRunCommand({ program, context, finish }: CommandLine): void {
  const command = program
    .command('run')
    .description('Run a template on this machine, without a farm: to try it before submitting.')
    .argument('<file>', 'a job template, a recipe file, or a bundle’s directory')
    .option('-p, --param <name=value>', 'a job parameter; repeat it for more', nameValue)
    .option('--env <file>', 'an environment template to run it in; repeat it for more', collect)
    .option('--path-mapping-rules <file>', 'OpenJD path mapping rules (JSON)')
    .option('--step <name>', 'only this step (default: all, in the order of their dependencies)')
    .option('--run-dependencies', 'with --step: first the steps it depends on')
    .option('--tasks <selection>', 'only these: NAME=VALUE,… or JSON or file://PATH')
    .option('--maximum-tasks <n>', 'at most so many tasks of a step', integer(1, 2 ** 31));
  addRecipesOption(command);
  example(
    command,
    'karst run shot.yaml -p Frames=1-240 --step Render --tasks Frame=12',
    'karst run bundle/ --env blender.env.yaml --path-mapping-rules rules.json',
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
