import { parseAssetReferences } from '@karst/shared/bundle/asset-references.ts';
import { parseParameterValues } from '@karst/shared/bundle/parameter-values.ts';
import { documentKind } from '@karst/shared/openjd/document-kind.ts';
import { parseDocument, type SourceFormat } from '@karst/shared/openjd/parse-template.ts';
import type { Problem } from '@karst/shared/openjd/problem.ts';
import type { EnvironmentTemplate, JobTemplate } from '@karst/shared/openjd/types.ts';
import {
  type Checked,
  checkEnvironmentTemplate,
  checkTemplate,
} from '@karst/shared/openjd/validate-template.ts';
import { compileRecipe, isRecipe } from '@karst/shared/recipes/compile-recipe.ts';
import { parseUserRecipe, type UserRecipe } from '@karst/shared/recipes/user-recipe.ts';
import type { Result } from '@karst/shared/result.ts';

export type Template = JobTemplate | EnvironmentTemplate;

/** A file that was looked at, and everything wrong with it. */
export interface Report {
  /** As the person named it, or as found below a directory they named. '-' is standard input. */
  readonly file: string;
  /** Its text, to show lines of; absent when it could not be read. */
  readonly text?: string;
  readonly problems: readonly Problem[];
}

/** A report that says one thing about a file as a whole. */
export const fileReport = (file: string, message: string): Report => ({
  file,
  problems: [{ path: [], message }],
});

/** How a file's text is read: JSON strictly when its name says so, else YAML, which holds JSON. */
export const formatOf = (file: string): SourceFormat => (file.endsWith('.json') ? 'json' : 'yaml');

/** A job or environment template, as its specificationVersion says or, without one, as it looks. */
export function parseAnyTemplate(
  text: string,
  format: SourceFormat,
): Result<{ template: Template }, Problem[]> {
  return parseDocument(text, format, (value): Checked<Template> => {
    const isEnvironment = documentKind(value) === 'environment-2023-09';
    return isEnvironment ? checkEnvironmentTemplate(value) : checkTemplate(value);
  });
}

const SIDE_FILE = /(?:^|[\\/])(parameter_values|asset_references)\.(?:yaml|json)$/;

/** Whether a file's name says that it stands beside a template in a bundle. */
export const isSideFile = (file: string): boolean => SIDE_FILE.test(file);

/** What a file turned out to be; problems where it is not valid. */
type Parsed = Result<unknown, readonly Problem[]>;

/**
 * Parses a file for what it is: parameter values and asset references by their name; else a template,
 * a recipe file that uses `recipes` or built-in ones, or a recipe of the studio's own.
 */
export function parseFile(file: string, text: string, recipes: readonly UserRecipe[]): Parsed {
  const format = formatOf(file);
  const [, side] = SIDE_FILE.exec(file) ?? [];
  if (side === 'parameter_values') return parseParameterValues(text, format);
  if (side === 'asset_references') return parseAssetReferences(text, format);
  const template = parseAnyTemplate(text, format);
  if (template.ok) return template;
  if (isRecipe(text, { format, recipes })) return compileRecipe(text, { format, recipes });
  const hasHeader = template.error.some(({ path }) => path.length === 1 && path[0] === 'recipe');
  return hasHeader ? parseUserRecipe(text, { folder: '.', format }) : template;
}
