import { parseFormatString, resolveFormatString, type SymbolTable } from './format-string.ts';
import type {
  ResolvedCancelation,
  ResolvedEmbeddedFile,
  ResolvedJob,
  ResolvedJobAction,
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
  /** Line ends of files that leave them to the host; LF when absent. */
  readonly hostEndOfLine?: 'LF' | 'CRLF';
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
  /** Base name; of two files with the same one, the later is written last. */
  readonly filename: string;
  readonly runnable: boolean;
  readonly data: string;
}

/** The symbols that scripts and environments have in common: the session's and the job's. */
export function sessionSymbols(
  { parameters }: Pick<ResolvedJob, 'parameters'>,
  session: SessionValues,
): Map<string, string> {
  const symbols = new Map<string, string>([
    ['Session.WorkingDirectory', session.workingDirectory],
    ['Session.HasPathMappingRules', session.hasPathMappingRules ? 'true' : 'false'],
    ['Session.PathMappingRulesFile', session.pathMappingRulesFile],
  ]);
  for (const [name, { type, value }] of Object.entries(parameters)) {
    const local = type === 'PATH' ? ownValue(session.pathParameterValues, name) : undefined;
    symbols.set(`Param.${name}`, local ?? value);
    symbols.set(`RawParam.${name}`, value);
  }
  return symbols;
}

/** Every symbol a script's format strings may use on the node. */
export function hostSymbols(
  job: ResolvedJob,
  parameters: TaskParameters,
  session: SessionValues,
): Map<string, string> {
  const symbols = sessionSymbols(job, session);
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
  return fillAction(step.script.onRun, symbols);
}

/** The embedded files of one task, to be written before its action runs. Throws as resolveAction. */
export function resolveEmbeddedFiles(
  job: ResolvedJob,
  step: ResolvedStep,
  parameters: TaskParameters,
  session: SessionValues,
): ResolvedFile[] {
  const symbols = hostSymbols(job, parameters, session);
  return step.script.embeddedFiles.map((file) => fillFile(file, symbols, session));
}

/** An action with its holes filled. Throws when a symbol is missing. */
export function fillAction(
  { command, args, timeoutSeconds, cancelation }: ResolvedJobAction,
  symbols: SymbolTable,
): ResolvedAction {
  return {
    command: fillText(command, symbols),
    args: args.map((arg) => fillText(arg, symbols)),
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    cancelation,
  };
}

/** A file with its holes filled and its line ends as asked for. Throws when a symbol is missing. */
export function fillFile(
  { name, filename, runnable, data, endOfLine }: ResolvedEmbeddedFile,
  symbols: SymbolTable,
  { hostEndOfLine = 'LF' }: Pick<SessionValues, 'hostEndOfLine'>,
): ResolvedFile {
  const text = fillText(data, symbols);
  if (endOfLine === undefined) return { name, filename, runnable, data: text };
  const wanted = endOfLine === 'AUTO' ? hostEndOfLine : endOfLine;
  const lines = text.replaceAll(/\r\n|\n/g, wanted === 'LF' ? '\n' : '\r\n');
  return { name, filename, runnable, data: lines };
}

/** Throws when a symbol is missing. */
export function fillText(text: string, symbols: SymbolTable): string {
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
