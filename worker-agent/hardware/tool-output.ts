import { execFile } from 'node:child_process';

export interface ToolOptions {
  /** Drivers in trouble hang for long; a GPU that can't be asked is no use anyway. */
  timeoutMs?: number;
  /** Where to look for the tool, and it for others; default: as the agent. */
  path?: string;
  /** Some tools tell their version on standard error. */
  readsErrors?: boolean;
}

/** What a tool prints, or undefined when it isn't there, fails or takes too long. */
export function toolOutput(
  command: string,
  args: readonly string[],
  { timeoutMs = 10_000, path, readsErrors = false }: ToolOptions = {},
): Promise<string | undefined> {
  const options = {
    timeout: timeoutMs,
    killSignal: 'SIGKILL' as const,
    ...(path === undefined ? {} : { env: { PATH: path, HOME: '/nonexistent', LANG: 'C.UTF-8' } }),
  };
  return new Promise((resolve) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      resolve(error === null ? stdout + (readsErrors ? stderr : '') : undefined);
    });
  });
}
