import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { AssetReferences } from '@karst/shared/bundle/asset-references.ts';
import type { ParameterValuesFile } from '@karst/shared/bundle/parameter-values.ts';
import { parseTemplate } from '@karst/shared/openjd/parse-template.ts';
import type { JobTemplate } from '@karst/shared/openjd/types.ts';
import { fieldErrorLine } from '../api/problem-error.ts';
import { type BundleFile, readBundleFiles } from '../documents/bundle-files.ts';
import { formatOf, isSideFile, type Report } from '../documents/document.ts';
import { readText } from '../documents/read-text.ts';
import { CliError, errnoCode, usageError } from '../failure.ts';

/** A job bundle as found on disk: its template's text, and the directory its defaults resolve against. */
export interface Bundle {
  rootDir: string;
  /** The template's file name, for messages. */
  templateName: string;
  source: string;
  template: JobTemplate;
  parameterValues?: BundleFile<ParameterValuesFile>;
  assetReferences?: BundleFile<AssetReferences>;
}

/**
 * Reads and checks a bundle's directory, or a template file alone. Throws CliError with every problem
 * of every file. `target` is a path as the person gave it, relative to `cwd`.
 */
export async function readBundle(target: string, cwd: string): Promise<Bundle> {
  const absolute = path.resolve(cwd, target);
  return (await isDirectory(absolute, target))
    ? readDirectory(absolute, target)
    : readTemplateFile(absolute, target);
}

async function readDirectory(rootDir: string, target: string): Promise<Bundle> {
  const files = await readBundleFiles(rootDir, target);
  const { template, parameterValues, assetReferences, reports } = files;
  const bad = reports.filter(({ problems }) => problems.length > 0);
  if (bad.length > 0 || template === undefined) throw notValid(bad);
  return {
    rootDir,
    templateName: template.file,
    source: template.text,
    template: template.value,
    ...(parameterValues === undefined ? {} : { parameterValues }),
    ...(assetReferences === undefined ? {} : { assetReferences }),
  };
}

async function readTemplateFile(file: string, target: string): Promise<Bundle> {
  const text = await readText(file);
  if (!text.ok) throw new CliError(`${target} ${text.error}.`);
  const parsed = parseTemplate(text.value, formatOf(target));
  if (!parsed.ok) {
    throw notValid([{ file: target, text: text.value, problems: parsed.error }]);
  }
  return {
    rootDir: path.dirname(file),
    templateName: target,
    source: text.value,
    template: parsed.value.template,
  };
}

function notValid(reports: readonly Report[]): CliError {
  const [only] = reports;
  const isTemplate = reports.length === 1 && only?.text !== undefined && !isSideFile(only.file);
  const what = isTemplate ? 'job template' : 'bundle';
  const details = reports.flatMap(({ file, problems }) =>
    problems.map((problem) => {
      const line = fieldErrorLine(problem, file);
      return problem.line === undefined ? `${file}: ${line}` : line;
    }),
  );
  return new CliError(`The ${what} is not valid.`, { details });
}

async function isDirectory(file: string, target: string): Promise<boolean> {
  try {
    return (await stat(file)).isDirectory();
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') throw usageError(`${target} does not exist.`);
    throw new CliError(`${target} can't be read (${errnoCode(error)}).`, { cause: error });
  }
}
