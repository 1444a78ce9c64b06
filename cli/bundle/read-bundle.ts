import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { AssetReferences } from '@karst/shared/bundle/asset-references.ts';
import type { ParameterValuesFile } from '@karst/shared/bundle/parameter-values.ts';
import { parseTemplate, validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import type { Problem } from '@karst/shared/openjd/problem.ts';
import type { JobTemplate } from '@karst/shared/openjd/types.ts';
import type { TemplateJson } from '@karst/shared/recipes/recipe.ts';
import { fieldErrorLine } from '../api/problem-error.ts';
import { type BundleFile, readBundleFiles } from '../documents/bundle-files.ts';
import { formatOf, isSideFile, type Report } from '../documents/document.ts';
import { readText } from '../documents/read-text.ts';
import { CliError, errnoCode, usageError } from '../failure.ts';
import { asRecipe, type ReadRecipe } from '../recipes/read-recipe.ts';

/** A job bundle as found on disk: its template, and the directory its defaults resolve against. */
export interface Bundle {
  rootDir: string;
  /** The template's file name, for messages. */
  templateName: string;
  /** The template as it is submitted: its text, or what a recipe made. */
  source: string | TemplateJson;
  template: JobTemplate;
  /** The recipe file that it is. */
  recipe?: ReadRecipe;
  parameterValues?: BundleFile<ParameterValuesFile>;
  assetReferences?: BundleFile<AssetReferences>;
}

/**
 * Reads and checks a bundle's directory, or a template or recipe file alone. Throws CliError with
 * every problem of every file. `target` is a path as the person gave it, relative to `cwd`, as are the
 * folders with recipes of the studio's own.
 */
export async function readBundle(
  target: string,
  cwd: string,
  recipeDirs: readonly string[] = [],
): Promise<Bundle> {
  const absolute = path.resolve(cwd, target);
  return (await isDirectory(absolute, target))
    ? readDirectory(absolute, target)
    : readFileAlone(
        absolute,
        target,
        recipeDirs.map((dir) => path.resolve(cwd, dir)),
      );
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

async function readFileAlone(
  file: string,
  target: string,
  recipeDirs: readonly string[],
): Promise<Bundle> {
  const text = await readText(file);
  if (!text.ok) throw new CliError(`${target} ${text.error}.`);
  const recipe = await asRecipe(text.value, { file, shown: target, recipeDirs });
  if (recipe !== undefined) return recipeBundle(recipe);
  const parsed = parseTemplate(text.value, formatOf(target));
  if (!parsed.ok) {
    const refusal = notValid([{ file: target, text: text.value, problems: parsed.error }]);
    throw mayBeRecipe(parsed.error)
      ? new CliError(refusal.message, { details: [...refusal.details, noRecipeEither] })
      : refusal;
  }
  return {
    rootDir: path.dirname(file),
    templateName: target,
    source: text.value,
    template: parsed.value.template,
  };
}

const noRecipeEither =
  'It is no known recipe file either; --recipes names a folder with recipes of your own.';

/** Whether it is a map with keys of its own that does not claim to be a template. */
const mayBeRecipe = (problems: readonly Problem[]): boolean => {
  const lacksVersion = problems.some(
    ({ path, found }) => path[0] === 'specificationVersion' && found === 'no such key',
  );
  return lacksVersion && problems.some(({ message }) => message.startsWith('unknown key'));
};

function recipeBundle(recipe: ReadRecipe): Bundle {
  const template = validateTemplate(recipe.template);
  if (!template.ok) throw new Error(`a recipe made no valid template: ${recipe.shown}`);
  return {
    rootDir: recipe.rootDir,
    templateName: recipe.shown,
    source: recipe.template,
    template: template.value,
    recipe,
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
