import { suggestion } from '../openjd/near-miss.ts';
import { describe, isList, isMap, type TemplateValue, toJson } from '../openjd/template-value.ts';
import { quote } from '../openjd/text-rules.ts';
import { readFrames } from './read-frames.ts';
import type { RecipeJob, RecipeRequest } from './recipe.ts';
import { isInside } from './template-parts.ts';
import type { RecipeField, UserRecipe } from './user-recipe.ts';

/** The recipe's template with the fields' values as its parameters' defaults. */
export function compileUserRecipe(
  recipe: UserRecipe,
  fields: TemplateValue,
  request: RecipeRequest,
): RecipeJob | undefined {
  const { reports, path } = request;
  const { problems } = reports;
  const before = problems.count;
  if (!isMap(fields)) {
    problems.mismatch(path, `the fields of ${recipe.name} (a map)`, describe(fields));
    return undefined;
  }
  const known = [...recipe.fields.keys()];
  const given = new Map<string, string>();
  for (const [key, value] of fields) {
    const field = recipe.fields.get(key);
    if (field === undefined) {
      const hint = suggestion(key, known);
      const message = `unknown key ${quote(key)}${hint} in ${recipe.name} (expected ${known.join(', ')})`;
      problems.add([...path, key], message, { found: key, atKey: true });
      continue;
    }
    const text = fieldText(value, field, [...path, key], request);
    if (text !== undefined) given.set(field.parameter, text);
  }
  for (const [key, { parameter }] of recipe.fields) {
    const definition = recipe.checked.parameterDefinitions?.find((each) => each.name === parameter);
    if (fields.has(key) || definition?.default !== undefined) continue;
    problems.mismatch([...path, key], `the key "${key}" of ${recipe.name}`, 'no such key');
  }
  return problems.count > before ? undefined : withValues(recipe, given, request);
}

function fieldText(
  value: TemplateValue,
  { kind }: RecipeField,
  path: (string | number)[],
  { reports }: RecipeRequest,
): string | undefined {
  const scalar = (each: TemplateValue) =>
    ['string', 'bigint', 'number', 'boolean'].includes(typeof each);
  const list = kind === 'frames' && isList(value) && value.length > 0 && value.every(scalar);
  if (!scalar(value) && !list) {
    reports.problems.mismatch(path, 'text or a number', describe(value));
    return undefined;
  }
  const text = isList(value) ? value.map(String).join(',') : String(value);
  return kind === 'frames' ? readFrames(text, path, reports)?.expression : text;
}

function withValues(
  recipe: UserRecipe,
  given: ReadonlyMap<string, string>,
  request: RecipeRequest,
): RecipeJob {
  const parameters: Record<string, string> = {};
  const definitions = (recipe.checked.parameterDefinitions ?? []).map((definition) => {
    const { name, type } = definition;
    const value = given.get(name);
    if (type !== 'PATH')
      return { ...definition, ...(value === undefined ? {} : { default: value }) };
    const path = value ?? fromRecipe(recipe.folder, definition);
    if (path === undefined || isInside(path)) {
      return { ...definition, ...(path === undefined ? {} : { default: path }) };
    }
    parameters[name] = path;
    const { default: _, ...rest } = definition;
    return rest;
  });
  const template: Record<string, unknown> = {};
  for (const [key, value] of recipe.template) {
    template[key] = key === 'parameterDefinitions' ? definitions : toJson(value);
  }
  if (request.name !== undefined) template.name = request.name;
  if (request.description !== undefined) template.description = request.description;
  return { template, parameters };
}

/** Files that come with the recipe stand in its folder; what the job makes belongs to the job's. */
function fromRecipe(
  folder: string,
  { default: path, dataFlow }: { default?: string; dataFlow?: string },
): string | undefined {
  if (path === undefined || path === '' || dataFlow === 'OUT' || folder === '') return path;
  return `${folder}/${path}`;
}
