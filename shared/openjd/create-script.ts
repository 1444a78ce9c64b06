import { parseFormatString, referencesOf, resolveFormatString } from './format-string.ts';
import type { ProblemList, ProblemPath } from './problem.ts';
import {
  notifyPeriodDefaultSeconds,
  type ResolvedCancelation,
  type ResolvedEmbeddedFile,
  type ResolvedStep,
} from './resolved-job.ts';
import type { Cancelation, EmbeddedFile, StepScript } from './types.ts';

/**
 * A step's script as the agent needs it. Its format strings stay for the host, but what the job's
 * own values already decide is checked now: a command must not come out empty, and no program can
 * be given a NUL. Other control characters are the template's to avoid; values may hold line breaks.
 */
export function createScript(
  script: StepScript,
  path: ProblemPath,
  symbols: ReadonlyMap<string, string>,
  problems: ProblemList,
): ResolvedStep['script'] {
  const { command, args = [], timeout, cancelation } = script.actions.onRun;
  const at = [...path, 'actions', 'onRun'];
  checkProgramText(command, [...at, 'command'], symbols, problems, 'a command');
  for (const [index, arg] of args.entries()) {
    checkProgramText(arg, [...at, 'args', index], symbols, problems, 'an argument');
  }
  return {
    onRun: {
      command,
      args: [...args],
      ...(timeout === undefined ? {} : { timeoutSeconds: timeout }),
      cancelation: resolvedCancelation(cancelation),
    },
    embeddedFiles: resolvedFiles(script.embeddedFiles ?? []),
  };
}

function checkProgramText(
  text: string,
  path: ProblemPath,
  symbols: ReadonlyMap<string, string>,
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

function resolvedCancelation(cancelation: Cancelation | undefined): ResolvedCancelation {
  if (cancelation === undefined || cancelation.mode === 'TERMINATE') return { mode: 'TERMINATE' };
  const { notifyPeriodInSeconds = notifyPeriodDefaultSeconds } = cancelation;
  return { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodSeconds: notifyPeriodInSeconds };
}

/** Gives files without a filename one: their name, made unique. The same job gives the same names. */
function resolvedFiles(files: readonly EmbeddedFile[]): ResolvedEmbeddedFile[] {
  const taken = new Set<string>();
  for (const { filename } of files) if (filename !== undefined) taken.add(filename);
  return files.map(({ name, filename, runnable = false, data }) => {
    let chosen = filename ?? name;
    for (let suffix = 2; filename === undefined && taken.has(chosen); suffix++) {
      chosen = `${name}-${suffix}`;
    }
    taken.add(chosen);
    return { name, filename: chosen, runnable, data };
  });
}
