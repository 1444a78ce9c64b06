import { checkProgramText, createAction, resolvedFiles } from './create-script.ts';
import type { Extension } from './extensions.ts';
import type { ProblemList, ProblemPath } from './problem.ts';
import {
  fillAction,
  fillFile,
  fillText,
  type ResolvedAction,
  type ResolvedFile,
  type SessionValues,
  sessionSymbols,
} from './resolve-task.ts';
import type { ResolvedEnvironment, ResolvedJob } from './resolved-job.ts';
import type { Environment, EnvironmentActionName } from './types.ts';

/**
 * An environment as the agent needs it: its format strings stay for the host. `extensions` are those of
 * the job's template and of the environment's own.
 */
export function createEnvironment(
  { name, script, variables }: Environment,
  extensions: readonly Extension[],
  path: ProblemPath,
  symbols: ReadonlyMap<string, string>,
  problems: ProblemList,
): ResolvedEnvironment {
  for (const [variable, value] of Object.entries(variables ?? {})) {
    const at = [...path, 'variables', variable];
    checkProgramText(value, at, symbols, problems, "a variable's value");
  }
  const create = (action: EnvironmentActionName) => {
    const definition = script?.actions[action];
    if (definition === undefined) return {};
    const at = [...path, 'script', 'actions', action];
    return { [action]: createAction(definition, action, at, symbols, problems) };
  };
  const redacts = script?.actions.onEnter !== undefined && extensions.includes('REDACTED_ENV_VARS');
  return {
    name,
    ...(redacts ? { redactedVariables: true } : {}),
    ...(variables === undefined ? {} : { variables: { ...variables } }),
    ...(script === undefined
      ? {}
      : {
          script: {
            ...create('onEnter'),
            ...create('onExit'),
            embeddedFiles: resolvedFiles(script.embeddedFiles ?? []),
          },
        }),
  };
}

/** What only the job's parameters are needed for; enough where no task is. */
type JobValues = Pick<ResolvedJob, 'parameters'>;

function environmentSymbols(job: JobValues, session: SessionValues): Map<string, string> {
  const symbols = sessionSymbols(job, session);
  for (const [name, path] of Object.entries(session.files)) symbols.set(`Env.File.${name}`, path);
  return symbols;
}

/**
 * The command that enters or leaves an environment; undefined when it has none. `session.files` are
 * the environment's own files. Throws when a symbol is missing, which is a bug of the caller.
 */
export function resolveEnvironmentAction(
  job: JobValues,
  environment: ResolvedEnvironment,
  action: EnvironmentActionName,
  session: SessionValues,
): ResolvedAction | undefined {
  const definition = environment.script?.[action];
  if (definition === undefined) return undefined;
  return fillAction(definition, environmentSymbols(job, session));
}

/** The variables an environment sets while it is active. Throws as resolveEnvironmentAction. */
export function resolveEnvironmentVariables(
  job: JobValues,
  environment: ResolvedEnvironment,
  session: SessionValues,
): Record<string, string> {
  const symbols = environmentSymbols(job, session);
  return Object.fromEntries(
    Object.entries(environment.variables ?? {}).map(([name, text]) => [
      name,
      fillText(text, symbols),
    ]),
  );
}

/** The files to write before each of an environment's actions. Throws as resolveEnvironmentAction. */
export function resolveEnvironmentFiles(
  job: JobValues,
  environment: ResolvedEnvironment,
  session: SessionValues,
): ResolvedFile[] {
  const symbols = environmentSymbols(job, session);
  const files = environment.script?.embeddedFiles ?? [];
  return files.map((file) => fillFile(file, symbols, session));
}
