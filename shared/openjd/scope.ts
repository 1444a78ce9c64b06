import { type FormatString, parseFormatString, referencesOf } from './format-string.ts';
import { suggestion } from './near-miss.ts';
import type { ProblemPath } from './problem.ts';
import type { Validation } from './reader.ts';
import { findControlCharacter, quote } from './text-rules.ts';
import { unsupportedSymbols } from './unsupported.ts';

/** Names declared somewhere, with their types. */
export interface Declared {
  readonly types: ReadonlyMap<string, string>;
  /** False when some declaration could not be read, so that "unknown name" would be a guess. */
  readonly complete: boolean;
}

/**
 * What format strings may refer to at a position.
 * - template: resolved when the job is created; PATH parameters only by RawParam.
 * - host: resolved on the node, within a step's script.
 */
export type Scope =
  | { readonly kind: 'template'; readonly jobParameters: Declared }
  | {
      readonly kind: 'host';
      readonly jobParameters: Declared;
      readonly taskParameters: Declared;
      readonly files: Declared;
    };

const sessionSymbols = [
  'Session.WorkingDirectory',
  'Session.HasPathMappingRules',
  'Session.PathMappingRulesFile',
];

/** Parses a format string and checks every reference. Undefined when anything is wrong with it. */
export function checkFormatString(
  validation: Validation,
  text: string,
  path: ProblemPath,
  scope: Scope,
): FormatString | undefined {
  const { problems } = validation;
  const format = parseFormatString(text);
  if (!format.ok) {
    for (const { message, ...details } of format.error) problems.add(path, message, details);
    return undefined;
  }
  let good = true;
  for (const name of new Set(referencesOf(format.value))) {
    const message = referenceProblem(name, scope);
    if (message === undefined) continue;
    good = false;
    problems.add(path, `{{${name}}}: ${message}`, { found: name });
  }
  return good ? format.value : undefined;
}

/** Refuses control characters in what is written literally; values are checked once known. */
export function checkLiteralControls(
  { problems }: Validation,
  format: FormatString,
  path: ProblemPath,
  what: string,
): boolean {
  for (const segment of format.segments) {
    if (segment.kind !== 'literal') continue;
    const bad = findControlCharacter(segment.text);
    if (bad === undefined) continue;
    problems.mismatch(path, `${what} without control characters`, bad);
    return false;
  }
  return true;
}

function referenceProblem(name: string, scope: Scope): string | undefined {
  if (Object.hasOwn(unsupportedSymbols, name)) return unsupportedSymbols[name];
  const parts = name.split('.');
  const last = parts.at(-1) ?? '';
  switch (parts.slice(0, -1).join('.')) {
    case 'Param':
      return jobParameterProblem(last, scope);
    case 'RawParam':
      return undeclared(last, scope.jobParameters, 'job parameter');
    case 'Task.Param':
    case 'Task.RawParam':
      if (scope.kind === 'template') return 'task parameters are known only in a step script';
      return undeclared(last, scope.taskParameters, 'task parameter', ' in this step');
    case 'Task.File':
      if (scope.kind === 'template') return 'embedded files are known only in a step script';
      return undeclared(last, scope.files, 'embedded file', ' in this step');
    case 'Env.File':
      return 'Env.File is known only inside an environment';
    case 'Session':
      if (!sessionSymbols.includes(name)) return unknownSymbol(name);
      return scope.kind === 'host' ? undefined : `${name} is known only in a step script`;
    default:
      return unknownSymbol(name);
  }
}

function jobParameterProblem(name: string, scope: Scope): string | undefined {
  const problem = undeclared(name, scope.jobParameters, 'job parameter');
  if (problem !== undefined) return problem;
  if (scope.kind === 'template' && scope.jobParameters.types.get(name) === 'PATH') {
    return `the PATH parameter ${quote(name)} has its final value only on the node; use RawParam.${name} here`;
  }
  return undefined;
}

function undeclared(
  name: string,
  declared: Declared,
  what: string,
  where = '',
): string | undefined {
  if (declared.types.has(name) || !declared.complete) return undefined;
  return `there is no ${what} ${quote(name)}${where}${suggestion(name, declared.types.keys())}`;
}

function unknownSymbol(name: string): string {
  const roots = ['Param', 'RawParam', 'Task.Param', 'Task.RawParam', 'Task.File'];
  const parent = name.split('.').slice(0, -1).join('.');
  const meant =
    suggestion(name, sessionSymbols) ||
    (parent === '' ? '' : suggestion(parent, roots).replace('"?', '.…"?'));
  return `expected ${roots.map((root) => `${root}.<name>`).join(', ')} or ${sessionSymbols.join(', ')}${meant}`;
}
