import { parseFormatString, resolveFormatString } from './format-string.ts';
import type {
  ResolvedCancelation,
  ResolvedJob,
  ResolvedStep,
  TaskParameters,
} from './resolved-job.ts';

/** What the session on the node knows and the job does not. */
export interface SessionValues {
  /** Absolute path. */
  readonly workingDirectory: string;
  /** Embedded file name (not filename) -> the absolute path it is written to. */
  readonly files: Readonly<Record<string, string>>;
  readonly hasPathMappingRules: boolean;
  /** Absolute path of the JSON file with the rules. */
  readonly pathMappingRulesFile: string;
  /** PATH job parameter -> its path on this node. A parameter not listed keeps its value. */
  readonly pathParameterValues: Readonly<Record<string, string>>;
  /** PATH task parameter -> its path on this node. A parameter not listed keeps its value. */
  readonly pathTaskParameterValues?: Readonly<Record<string, string>>;
}

/** A command ready to spawn: no shell, `args` go to it as they are. */
export interface ResolvedAction {
  readonly command: string;
  readonly args: string[];
  /** No limit when absent. */
  readonly timeoutSeconds?: number;
  readonly cancelation: ResolvedCancelation;
}

export interface ResolvedFile {
  readonly name: string;
  /** Base name, unique in the step. */
  readonly filename: string;
  readonly runnable: boolean;
  readonly data: string;
}

/** Every symbol a script's format strings may use on the node. */
export function hostSymbols(
  job: ResolvedJob,
  parameters: TaskParameters,
  session: SessionValues,
): Map<string, string> {
  const symbols = new Map<string, string>([
    ['Session.WorkingDirectory', session.workingDirectory],
    ['Session.HasPathMappingRules', session.hasPathMappingRules ? 'true' : 'false'],
    ['Session.PathMappingRulesFile', session.pathMappingRulesFile],
  ]);
  for (const [name, { type, value }] of Object.entries(job.parameters)) {
    const local = type === 'PATH' ? ownValue(session.pathParameterValues, name) : undefined;
    symbols.set(`Param.${name}`, local ?? value);
    symbols.set(`RawParam.${name}`, value);
  }
  for (const [name, { type, value }] of Object.entries(parameters)) {
    const local = type === 'PATH' ? ownValue(session.pathTaskParameterValues, name) : undefined;
    symbols.set(`Task.Param.${name}`, local ?? value);
    symbols.set(`Task.RawParam.${name}`, value);
  }
  for (const [name, path] of Object.entries(session.files)) symbols.set(`Task.File.${name}`, path);
  return symbols;
}

/**
 * The command of one task. Throws when a symbol is missing: creation has checked every reference,
 * so that is a bug (a step of another job, or a file that was not written).
 */
export function resolveAction(
  job: ResolvedJob,
  step: ResolvedStep,
  parameters: TaskParameters,
  session: SessionValues,
): ResolvedAction {
  const symbols = hostSymbols(job, parameters, session);
  const { command, args, timeoutSeconds, cancelation } = step.script.onRun;
  return {
    command: fill(command, symbols),
    args: args.map((arg) => fill(arg, symbols)),
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    cancelation,
  };
}

/** The embedded files of one task, to be written before its action runs. Throws as resolveAction. */
export function resolveEmbeddedFiles(
  job: ResolvedJob,
  step: ResolvedStep,
  parameters: TaskParameters,
  session: SessionValues,
): ResolvedFile[] {
  const symbols = hostSymbols(job, parameters, session);
  return step.script.embeddedFiles.map(({ name, filename, runnable, data }) => ({
    name,
    filename,
    runnable,
    data: fill(data, symbols),
  }));
}

function fill(text: string, symbols: ReadonlyMap<string, string>): string {
  const format = parseFormatString(text);
  const resolved = format.ok ? resolveFormatString(format.value, symbols) : format;
  if (!resolved.ok) {
    throw new Error(resolved.error.map((problem) => problem.message).join('; '));
  }
  return resolved.value;
}

function ownValue(
  record: Readonly<Record<string, string>> | undefined,
  name: string,
): string | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}
