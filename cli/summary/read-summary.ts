import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { EnvironmentTemplate } from '@karst/shared/openjd/types.ts';
import { readBundle } from '../bundle/read-bundle.ts';
import { createProblemLine, plainValues, supplyValues } from '../bundle/supplied-values.ts';
import { formatOf, parseAnyTemplate } from '../documents/document.ts';
import { readText } from '../documents/read-text.ts';
import { CliError } from '../failure.ts';
import { type Summary, summarizeEnvironment, summarizeJob } from './summarize.ts';

/** The summary of a template or bundle with these values. Throws CliError with every problem. */
export async function readSummary(
  target: string,
  given: Readonly<Record<string, string>>,
  cwd: string,
): Promise<Summary> {
  const environment = await readEnvironment(path.resolve(cwd, target), target);
  if (environment !== undefined) return summarizeEnvironment(environment, given);
  const bundle = await readBundle(target, cwd);
  const supplied = supplyValues(bundle, given);
  const summary = summarizeJob(bundle.template, plainValues(supplied));
  if (summary.ok) return summary.value;
  throw new CliError('The job parameters are not valid.', {
    details: summary.error.map((problem) => createProblemLine(bundle, supplied, problem)),
  });
}

/** A file that is an environment template; whatever else it is, the bundle's reader tells. */
async function readEnvironment(
  file: string,
  target: string,
): Promise<EnvironmentTemplate | undefined> {
  const stats = await stat(file).catch(() => undefined);
  if (stats?.isFile() !== true) return undefined;
  const text = await readText(file);
  if (!text.ok) return undefined;
  const parsed = parseAnyTemplate(text.value, formatOf(target));
  if (!parsed.ok || !('environment' in parsed.value.template)) return undefined;
  return parsed.value.template;
}
