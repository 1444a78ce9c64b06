import { parseFormatString, referencesOf, resolveFormatString } from './format-string.ts';
import { notifyPeriodRule, resolveNumericField, timeoutRule } from './numeric-field.ts';
import type { ProblemList, ProblemPath } from './problem.ts';
import { resolveText } from './resolve-text.ts';
import {
  exitTimeoutDefaultSeconds,
  notifyPeriodDefaultSeconds,
  type ResolvedCancelation,
  type ResolvedEmbeddedFile,
  type ResolvedJobAction,
  type ResolvedStep,
} from './resolved-job.ts';
import { expandSimpleAction, simpleActionOf } from './simple-action.ts';
import { quote } from './text-rules.ts';
import type { Action, EmbeddedFile, EnvironmentActionName, Step } from './types.ts';

type Symbols = ReadonlyMap<string, string>;
type ActionName = EnvironmentActionName | 'onRun';

/**
 * A step's script as the agent needs it, simple actions expanded. Its format strings stay for the
 * host, but what the job's own values already decide is checked now.
 */
export function createScript(
  step: Step,
  path: ProblemPath,
  symbols: Symbols,
  problems: ProblemList,
): ResolvedStep['script'] {
  const simple = simpleActionOf(step);
  if (simple !== undefined) {
    const { interpreter, action } = simple;
    const { script, ...rest } = action;
    const at = [...path, interpreter];
    const created = createAction({ command: interpreter, ...rest }, 'onRun', at, symbols, problems);
    return expandSimpleAction(interpreter, script, created);
  }
  if (step.script === undefined) throw new Error(`not a validated step: ${step.name}`);
  const { actions, embeddedFiles = [] } = step.script;
  const at = [...path, 'script', 'actions', 'onRun'];
  return {
    onRun: createAction(actions.onRun, 'onRun', at, symbols, problems),
    embeddedFiles: resolvedFiles(embeddedFiles),
  };
}

/**
 * An action as the agent needs it, defaults filled in. A command must not come out empty, and no
 * program can be given a NUL. Other control characters are the template's to avoid; values may hold
 * line breaks.
 */
export function createAction(
  { command, args = [], timeout, cancelation }: Action,
  name: ActionName,
  path: ProblemPath,
  symbols: Symbols,
  problems: ProblemList,
): ResolvedJobAction {
  checkProgramText(command, [...path, 'command'], symbols, problems, 'a command');
  for (const [index, arg] of args.entries()) {
    checkProgramText(arg, [...path, 'args', index], symbols, problems, 'an argument');
  }
  const timeoutSeconds =
    timeout === undefined
      ? name === 'onExit'
        ? exitTimeoutDefaultSeconds
        : undefined
      : resolveNumericField(timeout, [...path, 'timeout'], timeoutRule, symbols, problems);
  const at = [...path, 'cancelation'];
  return {
    command,
    args: [...args],
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    cancelation: resolvedCancelation(cancelation, name, at, symbols, problems),
  };
}

/** Refuses values that would put a NUL into what a program is given, and an empty command. */
export function checkProgramText(
  text: string,
  path: ProblemPath,
  symbols: Symbols,
  problems: ProblemList,
  what: string,
): void {
  const format = parseFormatString(text);
  if (!format.ok) throw new Error(`not a validated format string: ${text}`);
  for (const name of new Set(referencesOf(format.value))) {
    if (symbols.get(name)?.includes('\0') !== true) continue;
    const expected = `${what} without NUL characters`;
    const found = 'U+0000';
    problems.add(path, `{{${name}}} puts ${found} here; expected ${expected}`, { expected, found });
  }
  const resolved = resolveFormatString(format.value, symbols);
  if (what === 'a command' && resolved.ok && resolved.value === '') {
    problems.mismatch(path, 'a command of at least 1 character', 'empty text');
  }
}

function resolvedCancelation(
  cancelation: Action['cancelation'],
  name: ActionName,
  path: ProblemPath,
  symbols: Symbols,
  problems: ProblemList,
): ResolvedCancelation {
  const terminate = { mode: 'TERMINATE' } as const;
  if (cancelation === undefined) return terminate;
  const { notifyPeriodInSeconds = notifyPeriodDefaultSeconds[name] } = cancelation;
  const mode = resolveText(cancelation.mode, [...path, 'mode'], symbols, problems);
  if (mode === undefined || mode === 'TERMINATE') return terminate;
  if (mode !== 'NOTIFY_THEN_TERMINATE') {
    const expected = 'one of TERMINATE, NOTIFY_THEN_TERMINATE';
    problems.mismatch([...path, 'mode'], expected, quote(mode));
    return terminate;
  }
  const notifyPeriodSeconds = resolveNumericField(
    notifyPeriodInSeconds,
    [...path, 'notifyPeriodInSeconds'],
    notifyPeriodRule,
    symbols,
    problems,
  );
  return notifyPeriodSeconds === undefined ? terminate : { mode, notifyPeriodSeconds };
}

/** Gives files without a filename one: their name, made unique. The same job gives the same names. */
export function resolvedFiles(files: readonly EmbeddedFile[]): ResolvedEmbeddedFile[] {
  const taken = new Set<string>();
  for (const { filename } of files) if (filename !== undefined) taken.add(filename);
  return files.map(({ name, filename, runnable = false, data, endOfLine }) => {
    let chosen = filename ?? name;
    for (let suffix = 2; filename === undefined && taken.has(chosen); suffix++) {
      chosen = `${name}-${suffix}`;
    }
    taken.add(chosen);
    const lines = endOfLine === undefined ? {} : { endOfLine };
    return { name, filename: chosen, runnable, data, ...lines };
  });
}
