import { type Command, InvalidArgumentError } from 'commander';
import type { ApiClient } from '../api/client.ts';
import { connect, connectionOptionsSchema } from '../connection/connection.ts';
import type { CliContext } from '../context.ts';
import type { ExitCode } from '../exit-codes.ts';

/** What commands are hung on: the root command, the outside, and where an exit code goes. */
export interface CommandLine {
  program: Command;
  context: CliContext;
  /** The exit code when it is not 0 and nothing was thrown. */
  finish: (exitCode: ExitCode) => void;
}

/** The flags of commands that talk to an orchestrator. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option('--url <url>', 'the orchestrator (default: KARST_URL, else the nearest .karst)')
    .option('--key-file <file>', 'file with the API key (default: KARST_API_KEY, _FILE, or .karst)')
    .option('--insecure', 'send the key over http:// to another machine as well');
}

/** The client of a command that has the connection flags. */
export function connectWith(context: CliContext, command: Command): Promise<ApiClient> {
  return connect(context, connectionOptionsSchema.parse(command.opts()));
}

export function example(command: Command, ...lines: string[]): Command {
  return command.addHelpText('after', `\nExample:\n${lines.map((line) => `  ${line}`).join('\n')}`);
}

/** Parser of a repeatable NAME=VALUE flag. */
export function nameValue(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('Expected NAME=VALUE.');
  const name = text.slice(0, equals);
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`${name} is given twice.`);
  return { ...before, [name]: text.slice(equals + 1) };
}

/** The flag of commands that read recipe files. */
export function addRecipesOption(command: Command): Command {
  return command.option(
    '--recipes <dir>',
    'a folder with recipes of your own; repeat it for more',
    (dir: string, before: string[] = []) => [...before, dir],
  );
}

/** Parser of an integer flag within bounds. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

/** Parser of a flag that is a number of 0 or more, with fractions. */
export function amount(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) {
    throw new InvalidArgumentError('Expected a number of 0 or more.');
  }
  return Number(text);
}

/** How a person takes back what is set: `--pool none`. */
export const NONE = 'none';

/** Parser of a flag that may also be `none`. */
export const orNone =
  <T>(parse: (text: string) => T) =>
  (text: string): T | typeof NONE =>
    text === NONE ? NONE : parse(text);

/** The same for the orchestrator. */
export const orNull = <T>(value: T | typeof NONE): T | null => (value === NONE ? null : value);

/** Parser of a duration flag: 90, 90s, 15m, 2h. Answers milliseconds. */
export function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  const unit = match?.[2];
  const factor = unit === 'ms' || unit === 'm' || unit === 'h' ? unitMs[unit] : unitMs.s;
  const ms = Number(match?.[1]) * factor;
  // Timers hold 31 bits of milliseconds.
  if (match === null || ms > 2_147_483_647) {
    throw new InvalidArgumentError(
      'Expected a duration such as 90s, 15m or 2h, of at most 24 days.',
    );
  }
  return ms;
}
