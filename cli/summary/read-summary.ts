import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { EnvironmentTemplate } from '@karst/shared/openjd/types.ts';
import { type Bundle, readBundle } from '../bundle/read-bundle.ts';
import { createProblemLine, plainValues, supplyValues } from '../bundle/supplied-values.ts';
import { formatOf, parseAnyTemplate } from '../documents/document.ts';
import { readText } from '../documents/read-text.ts';
import { CliError } from '../failure.ts';
import { type Summary, summarizeEnvironment, summarizeJob } from './summarize.ts';

export interface SummaryTarget {
  /** A template, a recipe file or a bundle's directory, as the person gave it. */
  target: string;
  cwd: string;
  /** Parameter values. */
  given: Readonly<Record<string, string | number>>;
  /** Folders with recipes of the studio's own. */
  recipeDirs: readonly string[];
}

/** The summary of what a target makes with these values. Throws CliError with every problem. */
export async function readSummary({
  target,
  cwd,
  given,
  recipeDirs,
}: SummaryTarget): Promise<Summary> {
  const text = await readFileText(path.resolve(cwd, target));
  if (text !== undefined) {
    const environment = asEnvironment(text, target);
    if (environment !== undefined) return summarizeEnvironment(environment, given);
  }
  return summarizeBundle(await readBundle(target, cwd, recipeDirs), given);
}

/** A file's text; undefined for whatever else there is: the bundle's reader tells what is wrong. */
async function readFileText(file: string): Promise<string | undefined> {
  const stats = await stat(file).catch(() => undefined);
  if (stats?.isFile() !== true) return undefined;
  const text = await readText(file);
  return text.ok ? text.value : undefined;
}

function asEnvironment(text: string, target: string): EnvironmentTemplate | undefined {
  const parsed = parseAnyTemplate(text, formatOf(target));
  if (!parsed.ok || !('environment' in parsed.value.template)) return undefined;
  return parsed.value.template;
}

function summarizeBundle(
  bundle: Bundle,
  given: Readonly<Record<string, string | number>>,
): Summary {
  const supplied = supplyValues(bundle, given);
  const summary = summarizeJob(bundle.template, plainValues(supplied));
  if (summary.ok) return summary.value;
  const details = summary.error.map((problem) => createProblemLine(bundle, supplied, problem));
  throw new CliError('The job parameters are not valid.', { details });
}
