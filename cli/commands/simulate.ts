import { spawn } from 'node:child_process';
import path from 'node:path';
import type { Problem } from '@karst/shared/openjd/problem.ts';
import type { Result } from '@karst/shared/result.ts';
import { parseFarmFile } from '@karst/shared/simulation/farm-file.ts';
import { parseFilmFile } from '@karst/shared/simulation/film-file.ts';
import { InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { renderReport } from '../check/print-reports.ts';
import { type CliContext, say } from '../context.ts';
import { fileReport } from '../documents/document.ts';
import { readText } from '../documents/read-text.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { usageError } from '../failure.ts';
import { entryFile } from '../up/parts.ts';
import { type CommandLine, example, integer } from './command-line.ts';
import { addOutputOption } from './output-format.ts';

const POLICIES = ['karst', 'fifo', 'priority', 'sjf'];
const SEED_MAX = 0xffffffff;

const optionsSchema = z.object({
  seed: z.int(),
  policies: z.array(z.string()),
  plots: z.string().optional(),
  output: z.enum(['table', 'json']),
});
type Options = z.infer<typeof optionsSchema>;

/** `simulate`: the farm's own policy on a virtual clock. Needs no farm. */
export function addSimulateCommand({ program, context, finish }: CommandLine): void {
  const command = program
    .command('simulate')
    .description('Try a farm’s settings on a trace of jobs: the real policy on a virtual clock.')
    .argument('<farm>', 'FARM.yaml, or a node list of Alibaba’s GPU trace of 2023 (.csv)')
    .argument('<trace>', 'a film’s settings (.yaml), pods of Alibaba 2023 (.csv), or a .swf log')
    .option('--seed <n>', 'of all that is drawn by chance', integer(0, SEED_MAX), 1)
    .option('--policies <names>', `of ${POLICIES.join(',')}`, policyNames, POLICIES)
    .option('--plots <dir>', 'write the plots there, as SVG');
  addOutputOption(command, ['table', 'json']);
  example(
    command,
    'karst simulate examples/simulate/farm.yaml examples/simulate/film.yaml --plots out',
    'karst simulate farm.yaml trace.swf.gz --policies karst,fifo --seed 7 -o json',
  );
  command.action(async (farm: string, trace: string) => {
    const options = optionsSchema.parse(command.opts());
    kindOf(farm, ['yaml', 'csv'], 'FARM.yaml or a node list (.csv)');
    kindOf(trace, ['yaml', 'csv', 'swf'], 'a trace: .yaml, .csv or .swf');
    const areValid = [
      await checkSettings(context, farm, parseFarmFile),
      await checkSettings(context, trace, parseFilmFile),
    ];
    if (areValid.every(Boolean)) finish(await runSimulation(context, farm, trace, options));
    else finish(exitCodes.error);
  });
}

function policyNames(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  const wrong = names.find((name) => !POLICIES.includes(name));
  if (wrong !== undefined || new Set(names).size < names.length) {
    throw new InvalidArgumentError(`Expected some of ${POLICIES.join(',')}, once each.`);
  }
  return names;
}

const isYaml = (file: string): boolean => /\.(yaml|yml|json)$/i.test(file);

function kindOf(file: string, kinds: readonly string[], expected: string): void {
  const known = /\.(csv|swf)(\.gz)?$/i.exec(file)?.[1]?.toLowerCase();
  const kind = isYaml(file) ? 'yaml' : known;
  if (kind === undefined || !kinds.includes(kind)) {
    throw usageError(`Expected ${expected}, found ${file}.`);
  }
}

/** Settings are small: every problem is told here, with the line it stands in. */
async function checkSettings(
  context: CliContext,
  file: string,
  parse: (text: string) => Result<unknown, Problem[]>,
): Promise<boolean> {
  if (!isYaml(file)) return true;
  const text = await readText(path.resolve(context.cwd, file));
  const parsed = text.ok ? parse(text.value) : undefined;
  if (parsed?.ok) return true;
  const report = text.ok
    ? { file, text: text.value, problems: parsed?.ok === false ? parsed.error : [] }
    : fileReport(file, text.error);
  for (const line of renderReport(report)) say(context, line);
  return false;
}

/** The orchestrator's process: its report is our output, and Ctrl-C ends it. */
async function runSimulation(
  context: CliContext,
  farm: string,
  trace: string,
  { seed, policies, plots: plotsDir, output }: Options,
): Promise<ExitCode> {
  const settings = JSON.stringify({ farm, trace, seed, policies, plotsDir, output });
  const child = spawn(
    process.execPath,
    [entryFile('@karst/orchestrator/simulate-main.ts'), settings],
    { env: context.env, cwd: context.cwd, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  let isInterrupted = false;
  const stop = () => {
    isInterrupted = true;
    child.kill('SIGTERM');
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, stop);
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (exitCode) => resolve(exitCode ?? 1));
    });
    if (isInterrupted) return exitCodes.interrupted;
    return code === 0 ? exitCodes.ok : exitCodes.error;
  } finally {
    for (const signal of signals) process.off(signal, stop);
  }
}
