import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { parseUserRecipe, type UserRecipe } from '@karst/shared/recipes/user-recipe.ts';
import { fieldErrorLine } from '../api/problem-error.ts';
import { formatOf } from '../documents/document.ts';
import { readText } from '../documents/read-text.ts';
import { CliError, errnoCode, usageError } from '../failure.ts';

/**
 * Every recipe of the folders, each a .yaml, .yml or .json file there; files of other names are left
 * alone. `jobDir` is the folder of the file that uses them. Throws with all problems of all files.
 */
export async function readRecipeFolders(
  dirs: readonly string[],
  jobDir: string,
): Promise<UserRecipe[]> {
  const recipes = new Map<string, { recipe: UserRecipe; file: string }>();
  const details: string[] = [];
  for (const dir of dirs) {
    const folder = path.relative(jobDir, dir).split(path.sep).join('/');
    for (const name of await recipeNames(dir)) {
      const file = path.join(dir, name);
      const text = await readText(file);
      if (!text.ok) {
        details.push(`${file} ${text.error}`);
        continue;
      }
      const parsed = parseUserRecipe(text.value, { folder, format: formatOf(name) });
      if (!parsed.ok) {
        details.push(...parsed.error.map((problem) => fieldErrorLine(problem, file)));
        continue;
      }
      const recipe = parsed.value;
      const before = recipes.get(recipe.name);
      if (before !== undefined) {
        details.push(`${file}: there is a recipe "${recipe.name}" in ${before.file} already`);
      }
      recipes.set(recipe.name, { recipe, file });
    }
  }
  if (details.length > 0) throw new CliError('The recipes are not valid.', { details });
  return [...recipes.values()].map(({ recipe }) => recipe);
}

async function recipeNames(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).filter((name) => /\.(?:ya?ml|json)$/.test(name)).sort();
  } catch (error) {
    throw usageError(`${dir} can't be read as a folder of recipes (${errnoCode(error)}).`);
  }
}
