import { z } from 'zod';
import { type Problem, ProblemList } from '../openjd/problem.ts';
import { readSource } from '../openjd/source.ts';
import { isMap, type TemplateMap, toJson } from '../openjd/template-value.ts';
import type { JobTemplate } from '../openjd/types.ts';
import { checkTemplate } from '../openjd/validate-template.ts';
import { err, ok, type Result } from '../result.ts';
import { fieldMap, fieldProblems } from './field-problems.ts';

/** A studio's own recipe: an OpenJD template with a header that says which fields set what. */
export interface UserRecipe {
  /** The key under which a job file gives the fields. */
  readonly name: string;
  readonly fields: ReadonlyMap<string, RecipeField>;
  /** The template without the header. */
  readonly template: TemplateMap;
  readonly checked: JobTemplate;
  /** Folder of the recipe, as seen from the folder of the job file, or absolute. */
  readonly folder: string;
}

export interface RecipeField {
  /** Name of the template's parameter. */
  readonly parameter: string;
  /** frames: the value is a frame list in any dialect; path: it is a path of the job file's folder. */
  readonly kind: 'value' | 'frames' | 'path';
}

const nameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, 'a name of lower-case letters, digits and "-"');

const fieldSchema = z.union(
  [z.string(), fieldMap('a field', { parameter: z.string(), frames: z.boolean().default(false) })],
  { error: 'the name of a parameter, or a map with parameter and frames' },
);

const headerSchema = fieldMap('recipe', {
  name: nameSchema,
  description: z.string().optional(),
  fields: z.record(z.string(), fieldSchema),
});

/** Keys of a job file that no recipe can take. */
export const reservedRecipeNames = ['render', 'encode', 'train', 'name', 'description', 'policy'];

/** Reads a recipe file. Every problem carries line and column. Never throws. */
export function parseUserRecipe(
  source: string,
  { folder, format = 'yaml' }: { folder: string; format?: 'yaml' | 'json' },
): Result<UserRecipe, Problem[]> {
  const document = readSource(source, format);
  if (!document.ok) return document;
  const { value, place } = document.value;
  const problems = new ProblemList();
  if (!isMap(value) || !value.has('recipe')) {
    problems.add([], 'a recipe file is a job template with a "recipe" key, which is missing', {
      expected: 'recipe',
      found: 'no such key',
    });
    return err(problems.raw().map(place));
  }
  const header = headerSchema.safeParse(toJson(value.get('recipe') ?? null));
  if (!header.success) {
    const wrong = fieldProblems(header.error.issues, value, ['recipe']);
    return err(wrong.map(place));
  }
  const template = new Map([...value].filter(([key]) => key !== 'recipe'));
  const { template: checked, problems: refused } = checkTemplate(template);
  if (checked === undefined) return err(refused.raw().map(place));
  const { name } = header.data;
  if (reservedRecipeNames.includes(name)) {
    problems.add(['recipe', 'name'], `the name "${name}" is taken; expected another one`);
  }
  const types = new Map((checked.parameterDefinitions ?? []).map((each) => [each.name, each.type]));
  const fields = new Map<string, RecipeField>();
  for (const [field, given] of Object.entries(header.data.fields)) {
    const { parameter, frames } =
      typeof given === 'string' ? { parameter: given, frames: false } : given;
    const type = types.get(parameter);
    const at = ['recipe', 'fields', field];
    if (type === undefined) {
      problems.mismatch(
        at,
        `a parameter of the template (${[...types.keys()].join(', ')})`,
        parameter,
      );
    } else if (frames && type !== 'STRING') {
      problems.mismatch(at, 'a STRING parameter for frames', `${parameter} of type ${type}`);
    } else {
      fields.set(field, {
        parameter,
        kind: frames ? 'frames' : type === 'PATH' ? 'path' : 'value',
      });
    }
  }
  if (problems.count > 0) return err(problems.raw().map(place));
  return ok({ name, fields, template, checked, folder });
}
