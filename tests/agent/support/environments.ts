import type { ResolvedEnvironment } from '@karst/shared/openjd/resolved-job.ts';

type Script = NonNullable<ResolvedEnvironment['script']>;
type Action = NonNullable<Script['onEnter']>;

/** An environment whose actions are pieces of shell. */
export function environment(
  name: string,
  scripts: { onEnter?: string; onExit?: string; variables?: Record<string, string> },
  rest: Partial<Action> = {},
): ResolvedEnvironment {
  const action = (text: string | undefined): Action | undefined =>
    text === undefined
      ? undefined
      : {
          command: '/bin/sh',
          args: ['-c', text],
          cancelation: { mode: 'TERMINATE' },
          ...rest,
        };
  const onEnter = action(scripts.onEnter);
  const onExit = action(scripts.onExit);
  return {
    name,
    ...(scripts.variables === undefined ? {} : { variables: scripts.variables }),
    script: {
      ...(onEnter === undefined ? {} : { onEnter }),
      ...(onExit === undefined ? {} : { onExit }),
      embeddedFiles: [],
    },
  };
}

/** Shell that notes a word in the file `marks` beside the agent's sessions. */
export const note = (word: string): string => `echo ${word} >> ../../marks; `;
