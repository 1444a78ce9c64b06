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
 * - environment: resolved on the node, within an environment; there is no task yet.
 */
export type Scope =
  | { readonly kind: 'template'; readonly jobParameters: Declared }
  | {
      readonly kind: 'host';
      readonly jobParameters: Declared;
      readonly taskParameters: Declared;
      readonly files: Declared;
    }
  | { readonly kind: 'environment'; readonly jobParameters: Declared; readonly files: Declared };

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
      if (scope.kind !== 'host') return 'task parameters are known only in a step script';
      return undeclared(last, scope.taskParameters, 'task parameter', ' in this step');
    case 'Task.File':
      if (scope.kind !== 'host') return "a step's embedded files are known only in its script";
      return undeclared(last, scope.files, 'embedded file', ' in this step');
    case 'Env.File':
      if (scope.kind !== 'environment') return 'Env.File is known only inside an environment';
      return undeclared(last, scope.files, 'embedded file', ' in this environment');
    case 'Session':
      if (!sessionSymbols.includes(name)) return unknownSymbol(name, scope);
      if (scope.kind !== 'template') return undefined;
      return `${name} is known only on the node, in a step script or an environment`;
    default:
      return unknownSymbol(name, scope);
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

const rootsOf: Record<Scope['kind'], readonly string[]> = {
  template: ['Param', 'RawParam'],
  host: ['Param', 'RawParam', 'Task.Param', 'Task.RawParam', 'Task.File'],
  environment: ['Param', 'RawParam', 'Env.File'],
};

function unknownSymbol(name: string, { kind }: Scope): string {
  const roots = rootsOf[kind];
  const session = kind === 'template' ? [] : sessionSymbols;
  const parent = name.split('.').slice(0, -1).join('.');
  const meant =
    suggestion(name, session) ||
    (parent === '' ? '' : suggestion(parent, roots).replace('"?', '.…"?'));
  const expected = [...roots.map((root) => `${root}.<name>`), ...session];
  return `expected ${expected.slice(0, -1).join(', ')} or ${expected.at(-1)}${meant}`;
}
