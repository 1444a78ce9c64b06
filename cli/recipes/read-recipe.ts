import path from 'node:path';
import { type CompiledRecipe, compileRecipe } from '@karst/shared/recipes/compile-recipe.ts';
import { fieldErrorLine } from '../api/problem-error.ts';
import { formatOf } from '../documents/document.ts';
import { readText } from '../documents/read-text.ts';
import { CliError, usageError } from '../failure.ts';
import { readRecipeFolders } from './recipe-folder.ts';

/** A recipe file, compiled; paths among its parameters are absolute. */
export interface ReadRecipe extends CompiledRecipe {
  /** The file's folder: defaults of the template are relative to it. */
  readonly rootDir: string;
}

/** Reads and compiles a recipe file. Throws with every problem, by line and column. */
export async function readRecipe(file: string, recipeDirs: readonly string[]): Promise<ReadRecipe> {
  const rootDir = path.dirname(file);
  const text = await readText(file);
  if (!text.ok) throw usageError(`${file} ${text.error}.`);
  const recipes = await readRecipeFolders(recipeDirs, rootDir);
  const compiled = compileRecipe(text.value, { format: formatOf(file), recipes });
  if (!compiled.ok) {
    throw new CliError('The recipe is not valid.', {
      details: compiled.error.map((problem) => fieldErrorLine(problem, path.basename(file))),
    });
  }
  const parameters = Object.fromEntries(
    Object.entries(compiled.value.parameters).map(([name, value]) => [
      name,
      path.resolve(rootDir, value),
    ]),
  );
  return { ...compiled.value, parameters, rootDir };
}
