import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { ResolvedStep } from '@karst/shared/openjd/resolved-job.ts';
import { tasksWith } from '@karst/shared/openjd/tasks-with.ts';
import { z } from 'zod';
import { CliError, messageOf, usageError } from '../failure.ts';

const valuesSchema = z.record(z.string(), z.union([z.string(), z.number()]).transform(String));
const selectionSchema = z.union([valuesSchema.transform((one) => [one]), z.array(valuesSchema)]);

/** More tasks are not picked one by one. */
const selectedMax = 100_000;

/**
 * The tasks that `text` names: a JSON object or list of objects with task parameters, file://PATH to
 * one, or NAME=VALUE,NAME=VALUE. Values that are left out match all. Throws CliError when no task has
 * the values.
 */
export async function selectTasks(
  step: ResolvedStep,
  text: string,
  cwd: string,
): Promise<number[]> {
  const chosen = new Set<number>();
  for (const values of await readSelection(text, cwd)) {
    const found = tasksWith(step.parameterSpace, values);
    if (!found.ok) {
      throw usageError(`--tasks: ${found.error.map(({ message }) => message).join('; ')}`);
    }
    const before = chosen.size;
    for (const index of found.value) {
      chosen.add(index);
      if (chosen.size > selectedMax) {
        throw usageError(`--tasks names more than ${selectedMax} tasks.`);
      }
    }
    if (chosen.size === before && !anyOf(found.value)) {
      throw usageError(`--tasks: step ${step.name} has no task with ${JSON.stringify(values)}.`);
    }
  }
  return [...chosen];
}

function anyOf(indices: Iterable<number>): boolean {
  for (const _ of indices) return true;
  return false;
}

async function readSelection(text: string, cwd: string): Promise<Record<string, string>[]> {
  if (!/^\s*[[{]/.test(text) && !text.startsWith('file://')) return [assignments(text)];
  try {
    const json = text.startsWith('file://')
      ? await readFile(path.resolve(cwd, text.slice('file://'.length)), 'utf8')
      : text;
    return selectionSchema.parse(JSON.parse(json));
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
