import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { ResolvedStep } from '@karst/shared/openjd/resolved-job.ts';
import { readSource } from '@karst/shared/openjd/source.ts';
import { tasksWith } from '@karst/shared/openjd/tasks-with.ts';
import { toJson } from '@karst/shared/openjd/template-value.ts';
import { z } from 'zod';
import { formatOf } from '../documents/document.ts';
import { CliError, messageOf, usageError } from '../failure.ts';

const valuesSchema = z.record(z.string(), z.union([z.string(), z.number()]).transform(String));
const selectionSchema = z.union([valuesSchema.transform((one) => [one]), z.array(valuesSchema)]);

/** More tasks are not picked one by one. */
const selectedMax = 100_000;

/** Task parameters, each a task or, as values that are left out match all, several. */
export type Selection = readonly Readonly<Record<string, string>>[];

/** The tasks that a selection names. Throws CliError, naming `flag`, when no task has the values. */
export function selectTasks(step: ResolvedStep, selection: Selection, flag: string): number[] {
  const chosen = new Set<number>();
  for (const values of selection) {
    const found = tasksWith(step.parameterSpace, values);
    if (!found.ok) {
      throw usageError(`${flag}: ${found.error.map(({ message }) => message).join('; ')}`);
    }
    const before = chosen.size;
    for (const index of found.value) {
      chosen.add(index);
      if (chosen.size > selectedMax) {
        throw usageError(`${flag} names more than ${selectedMax} tasks.`);
      }
    }
    if (chosen.size === before && !anyOf(found.value)) {
      throw usageError(`${flag}: step ${step.name} has no task with ${JSON.stringify(values)}.`);
    }
  }
  return [...chosen];
}

function anyOf(indices: Iterable<number>): boolean {
  for (const _ of indices) return true;
  return false;
}

/**
 * What `--tasks` says: a JSON object or list of objects with task parameters, file://PATH to one (JSON,
 * or YAML by its name), or NAME=VALUE,NAME=VALUE.
 */
export async function readSelection(text: string, cwd: string): Promise<Selection> {
  if (!/^\s*[[{]/.test(text) && !text.startsWith('file://')) return [assignments(text)];
  try {
    const file = text.startsWith('file://') ? text.slice('file://'.length) : undefined;
    const source = file === undefined ? text : await readFile(path.resolve(cwd, file), 'utf8');
    const document = readSource(source, file === undefined ? 'json' : formatOf(file));
    if (!document.ok) throw new Error(document.error[0]?.message);
    return selectionSchema.parse(toJson(document.value.value));
  } catch (error) {
    const what = error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error);
    throw new CliError(`--tasks: expected a JSON list of task parameters: ${what}`, {
      cause: error,
    });
  }
}

function assignments(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const part of text.split(',')) {
    const equals = part.indexOf('=');
    if (equals < 1) throw usageError('--tasks: expected NAME=VALUE,… or a JSON list.');
    values[part.slice(0, equals).trim()] = part.slice(equals + 1).trim();
  }
  return values;
}
