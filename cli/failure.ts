import { type ExitCode, exitCodes } from './exit-codes.ts';

/** An expected failure: the person sees `message`, then `details` one a line, and no stack. */
export class CliError extends Error {
  override name = 'CliError';
  readonly exitCode: ExitCode;
  readonly details: readonly string[];

  constructor(
    message: string,
    options: { exitCode?: ExitCode; details?: readonly string[]; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.exitCode = options.exitCode ?? exitCodes.error;
    this.details = options.details ?? [];
  }
}

export const usageError = (message: string, details: readonly string[] = []) =>
  new CliError(message, { exitCode: exitCodes.usage, details });

/** The reason that aborts work when the person pressed Ctrl-C. */
export class InterruptedError extends CliError {
  override name = 'InterruptedError';

  constructor(message = 'Interrupted.') {
    super(message, { exitCode: exitCodes.interrupted });
  }
}

/** The errno code of a system error (ENOENT, ECONNREFUSED), if `error` is one. */
export function errnoCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
