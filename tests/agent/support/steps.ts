import type { ResolvedStep } from '@karst/shared/openjd/resolved-job.ts';

type Script = ResolvedStep['script'];
type Action = Script['onRun'];

/** A step that runs a program. */
export const command = (
  program: string,
  args: string[] = [],
  rest: Partial<Action> = {},
): { script: Script } => ({
  script: {
    onRun: { command: program, args, cancelation: { mode: 'TERMINATE' }, ...rest },
    embeddedFiles: [],
  },
});

/** A step whose task is a piece of shell. */
export const shell = (text: string, rest: Partial<Action> = {}): { script: Script } =>
  command('/bin/sh', ['-c', text], rest);
