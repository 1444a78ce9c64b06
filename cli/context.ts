import type { Clock } from '@karst/shared/clock.ts';
import type { Random } from '@karst/shared/random.ts';

/** What a command may use of the outside. Only main.ts makes one, from the process. */
export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Data. */
  readonly stdout: NodeJS.WriteStream;
  /** Everything said to a person. */
  readonly stderr: NodeJS.WriteStream;
  readonly clock: Clock;
  readonly random: Random;
}

/** One line to the person. */
export function say(context: CliContext, line: string): void {
  context.stderr.write(`${line}\n`);
}

/** One line of data. */
export function print(context: CliContext, line: string): void {
  context.stdout.write(`${line}\n`);
}
