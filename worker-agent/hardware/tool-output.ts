import { execFile } from 'node:child_process';

/** Drivers in trouble hang for long; a GPU that can't be asked is no use anyway. */
const timeoutMs = 10_000;

/** What a vendor's tool prints, or undefined when it isn't there or fails. */
export function toolOutput(command: string, args: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: timeoutMs, killSignal: 'SIGKILL' }, (error, stdout) => {
      resolve(error === null ? stdout : undefined);
    });
  });
}
