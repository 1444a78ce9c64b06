import path from 'node:path';
import {
  type CompiledRecipe,
  compileRecipe,
  isRecipe,
} from '@karst/shared/recipes/compile-recipe.ts';
import type { UserRecipe } from '@karst/shared/recipes/user-recipe.ts';
import { fieldErrorLine } from '../api/problem-error.ts';
import { type CliContext, say } from '../context.ts';
import { formatOf } from '../documents/document.ts';
import { readText } from '../documents/read-text.ts';
import { CliError, usageError } from '../failure.ts';
import { readRecipeFolders } from './recipe-folder.ts';

/** A recipe file, compiled; paths among its parameters are absolute. */
export interface ReadRecipe extends CompiledRecipe {
  /** The file's folder: defaults of the template are relative to it. */
  readonly rootDir: string;
  /** What messages call the file. */
  readonly shown: string;
}

/** Reads and compiles a recipe file. Throws with every problem, by line and column. */
export async function readRecipe(file: string, recipeDirs: readonly string[]): Promise<ReadRecipe> {
  const text = await readText(file);
  if (!text.ok) throw usageError(`${file} ${text.error}.`);
  const recipes = await readRecipeFolders(recipeDirs, path.dirname(file));
  return compile(text.value, { file, shown: path.basename(file), recipes });
}

/**
 * The same for the text of a file that may be something else: undefined when it is no recipe file.
 * `shown` is what messages call it.
 */
export async function asRecipe(
  text: string,
  { file, shown, recipeDirs }: { file: string; shown: string; recipeDirs: readonly string[] },
): Promise<ReadRecipe | undefined> {
  const recipes = await readRecipeFolders(recipeDirs, path.dirname(file));
  if (!isRecipe(text, { format: formatOf(file), recipes })) return undefined;
  return compile(text, { file, shown, recipes });
}

/** What of the file could be misunderstood. */
export function sayWarnings(context: CliContext, recipe: ReadRecipe): void {
  for (const warning of recipe.warnings) {
    say(context, `warning: ${fieldErrorLine(warning, recipe.shown)}`);
  }
}

function compile(
  text: string,
  { file, shown, recipes }: { file: string; shown: string; recipes: readonly UserRecipe[] },
): ReadRecipe {
  const rootDir = path.dirname(file);
  const compiled = compileRecipe(text, { format: formatOf(file), recipes });
  if (!compiled.ok) {
    throw new CliError('The recipe is not valid.', {
      details: compiled.error.map((problem) => fieldErrorLine(problem, shown)),
    });
  }
  const parameters = Object.fromEntries(
    Object.entries(compiled.value.parameters).map(([name, value]) => [
      name,
      path.resolve(rootDir, value),
    ]),
  );
  return { ...compiled.value, parameters, rootDir, shown };
}
