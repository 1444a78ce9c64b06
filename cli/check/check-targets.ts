import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { UserRecipe } from '@karst/shared/recipes/user-recipe.ts';
import { boundedParallel } from '../bounded-parallel.ts';
import { type BundleFiles, readBundleFiles } from '../documents/bundle-files.ts';
import { fileReport, parseFile, type Report } from '../documents/document.ts';
import { readText, readTextStream } from '../documents/read-text.ts';
import { policyProblems, valueProblems } from '../documents/value-problems.ts';

const FILES_PARALLEL_MAX = 16;

export interface CheckInputs {
  cwd: string;
  /** The studio's own, which recipe files may use. */
  recipes: readonly UserRecipe[];
  /** Standard input, for the target '-'. */
  stdin: AsyncIterable<Uint8Array>;
}

/**
 * Looks at every target: a template, a bundle's other files, a bundle's directory, or '-'. Answers one
 * report for each file, in the order of the targets; what can't be read is a report as well.
 */
export async function checkTargets(
  targets: readonly string[],
  inputs: CheckInputs,
): Promise<Report[]> {
  const reports: Report[][] = [];
  await boundedParallel(targets.entries(), FILES_PARALLEL_MAX, async ([index, target]) => {
    reports[index] = await checkTarget(target, inputs);
  });
  return reports.flat();
}

async function checkTarget(target: string, inputs: CheckInputs): Promise<Report[]> {
  const { cwd, recipes } = inputs;
  if (target === '-') return [await checkStdin(inputs)];
  const file = path.resolve(cwd, target);
  if (await isDirectory(file)) return checkBundle(await readBundleFiles(file, target));
  const text = await readText(file);
  return [text.ok ? checkText(target, text.value, recipes) : fileReport(target, text.error)];
}

function checkText(file: string, text: string, recipes: readonly UserRecipe[]): Report {
  const parsed = parseFile(file, text, recipes);
  return { file, text, problems: parsed.ok ? [] : parsed.error };
}

async function checkStdin({ stdin, recipes }: CheckInputs): Promise<Report> {
  const text = await readTextStream(stdin);
  return text.ok ? checkText('-', text.value, recipes) : fileReport('-', text.error);
}

/** A bundle's values are held against its template as well. */
function checkBundle({ template, parameterValues, reports }: BundleFiles): Report[] {
  if (template === undefined || parameterValues === undefined) return [...reports];
  const problems = [
    ...valueProblems(template.value, parameterValues.value),
    ...policyProblems(template.value, parameterValues.value),
  ];
  return reports.map((report) =>
    report.file === parameterValues.file ? { ...report, problems } : report,
  );
}

/** What can't be looked at is no directory; reading it as a file tells why. */
async function isDirectory(file: string): Promise<boolean> {
  const stats = await stat(file).catch(() => undefined);
  return stats?.isDirectory() ?? false;
}
