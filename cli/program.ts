import { Command, CommanderError } from 'commander';
import { addAddTasksCommand } from './commands/add-tasks.ts';
import { addAgentCommand } from './commands/agent.ts';
import { addCheckCommand } from './commands/check.ts';
import { addControlCommands } from './commands/control.ts';
import { addDownloadCommand } from './commands/download.ts';
import { addExpandCommand } from './commands/expand.ts';
import { addExplainCommand } from './commands/explain.ts';
import { addGcCommand } from './commands/gc.ts';
import { addGetCommand } from './commands/get.ts';
import { addKeyCommand, addWhoamiCommand } from './commands/key.ts';
import { addLimitCommand } from './commands/limit.ts';
import { addLogsCommand } from './commands/logs.ts';
import { addNodeCommand } from './commands/node.ts';
import { addPoolCommand } from './commands/pool.ts';
import { addPreviewWorkerCommand } from './commands/preview-worker.ts';
import { addPreviewsCommand } from './commands/previews.ts';
import { addRunCommand } from './commands/run.ts';
import { addScanCommand } from './commands/scan.ts';
import { addServeCommand } from './commands/serve.ts';
import { addSetCommand } from './commands/set.ts';
import { addShareCommand } from './commands/share.ts';
import { addSimulateCommand } from './commands/simulate.ts';
import { addStorageCommand } from './commands/storage.ts';
import { addSubmitCommand } from './commands/submit.ts';
import { addSummaryCommand } from './commands/summary.ts';
import { addUpCommand } from './commands/up.ts';
import { addWaitCommand } from './commands/wait.ts';
import { type CliContext, say } from './context.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { CliError } from './failure.ts';

const EXIT_CODES_HELP = `
Exit codes: 0 ok, 1 error, 2 the job was canceled, 3 wrong usage, 4 the key is missing or may not,
5 the job failed, 6 --timeout passed, 130 Ctrl-C (under --wait the job goes on).
`;

/** In the order --help lists them. */
const commands = [
  addUpCommand,
  addServeCommand,
  addAgentCommand,
  addPreviewWorkerCommand,
  addCheckCommand,
  addScanCommand,
  addSummaryCommand,
  addExpandCommand,
  addRunCommand,
  addSimulateCommand,
  addSubmitCommand,
  addWaitCommand,
  addGetCommand,
  addExplainCommand,
  addLogsCommand,
  addDownloadCommand,
  addPreviewsCommand,
  addControlCommands,
  addSetCommand,
  addAddTasksCommand,
  addNodeCommand,
  addPoolCommand,
  addLimitCommand,
  addShareCommand,
  addStorageCommand,
  addGcCommand,
  addKeyCommand,
  addWhoamiCommand,
];

/** Runs one command line, without the program's name. Answers the exit code; never throws. */
export async function runCli(args: readonly string[], context: CliContext): Promise<ExitCode> {
  let exitCode: ExitCode = exitCodes.ok;
  const finish = (code: ExitCode) => {
    exitCode = code;
  };
  try {
    await buildProgram(context, finish).parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    }
    if (error instanceof CliError) {
      say(context, `karst: ${error.message}`);
      for (const detail of error.details) say(context, `  ${detail}`);
      return error.exitCode;
    }
    const told = error instanceof Error ? (error.stack ?? error.message) : String(error);
    say(context, `karst: unexpected error, please report it\n${told}`);
    return exitCodes.error;
  }
}

function buildProgram(context: CliContext, finish: (code: ExitCode) => void): Command {
  const program = new Command('karst')
    .description('A render farm and AI-training orchestrator.')
    .version('0.1.0')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
    })
    .showHelpAfterError('(--help tells more)')
    .addHelpText('after', EXIT_CODES_HELP);
  const commandLine = { program, context, finish };
  for (const add of commands) add(commandLine);
  return program;
}
