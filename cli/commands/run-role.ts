import { spawn } from 'node:child_process';
import path from 'node:path';
import type { CliContext } from '../context.ts';
import { entryFile } from '../up/parts.ts';

/** A file's place as the role's process finds it. */
export const absolute = (context: CliContext, file: string | undefined) =>
  file === undefined ? undefined : path.resolve(context.cwd, file);

/** Runs a role in the foreground: its output is ours, signals go to it, its exit code ends us. */
export async function runRole(
  context: CliContext,
  specifier: string,
  told: Record<string, string | undefined>,
): Promise<void> {
  const flags = Object.entries(told).filter(([, value]) => value !== undefined);
  const child = spawn(process.execPath, [entryFile(specifier)], {
    env: { ...context.env, ...Object.fromEntries(flags), KARST_EXIT_WITH_PARENT: '1' },
    stdio: ['pipe', 'inherit', 'inherit'],
    // Ctrl-C reaches it through us only, once.
    detached: true,
  });
  child.stdin?.on('error', () => undefined);
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, forward);
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (exitCode) => resolve(exitCode ?? 1));
  });
  process.exit(code);
}
