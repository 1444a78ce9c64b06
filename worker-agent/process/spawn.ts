import { type ChildProcess, spawn } from 'node:child_process';

/** How a process ended. `unstartable`: it never ran; `code` is the system's error code. */
export type ProcessEnd =
  | { kind: 'exited'; code: number }
  | { kind: 'signaled'; signal: NodeJS.Signals }
  | { kind: 'unstartable'; code: string; message: string };

export interface ProcessOptions {
  command: string;
  args: string[];
  cwd: string;
  /** The whole environment: nothing of the agent's own is added. */
  env: Record<string, string>;
  /** Receives standard output and standard error, in the order they are written. */
  outputFd: number;
}

export interface RunningProcess {
  /** Also the id of its process group. */
  readonly pid: number;
  readonly ended: Promise<ProcessEnd>;
}

/**
 * Starts a program as the leader of a new session and process group. Its output goes straight to a
 * file: a task that prints nothing costs neither a pipe nor a wake-up of this process, and both
 * streams keep their order. Runs no shell.
 */
export function startProcess(
  options: ProcessOptions,
): RunningProcess | Extract<ProcessEnd, { kind: 'unstartable' }> {
  const { command, args, cwd, env, outputFd } = options;
  let child: ChildProcess;
  try {
    child = spawn(command, args, {
      cwd,
      env,
      detached: true,
      stdio: ['ignore', outputFd, outputFd],
    });
  } catch (error) {
    // Node refuses arguments with NUL bytes before it tries to start anything.
    return unstartable(error);
  }
  const ended = new Promise<ProcessEnd>((resolve) => {
    child.once('error', (error) => resolve(unstartable(error)));
    child.once('exit', (code, signal) => {
      if (signal !== null) resolve({ kind: 'signaled', signal });
      else resolve({ kind: 'exited', code: code ?? 0 });
    });
  });
  return { pid: child.pid ?? 0, ended };
}

function unstartable(error: unknown): Extract<ProcessEnd, { kind: 'unstartable' }> {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN';
  return { kind: 'unstartable', code, message };
}
