import { z } from 'zod';
import { suggestion } from '../openjd/near-miss.ts';
import { validateTemplate } from '../openjd/parse-template.ts';
import { type Problem, ProblemList, type ProblemPath } from '../openjd/problem.ts';
import { readSource } from '../openjd/source.ts';
import {
  describe,
  isMap,
  type TemplateMap,
  type TemplateValue,
  toJson,
} from '../openjd/template-value.ts';
import { quote } from '../openjd/text-rules.ts';
import { unknownRuleSteps } from '../protocol/failure-rules.ts';
import type { PolicyValues } from '../protocol/policy-fields.ts';
import { unknownStepPolicies } from '../protocol/step-policies.ts';
import { err, ok, type Result } from '../result.ts';
import { compileBlender } from './blender/compile.ts';
import { blenderFieldsSchema } from './blender/fields.ts';
import { compileUserRecipe } from './compile-user-recipe.ts';
import { compileEncode, encodeFieldsSchema } from './encode.ts';
import { fieldProblems } from './field-problems.ts';
import { policyMapSchema } from './policy-map.ts';
import { compilePovray, povrayFieldsSchema } from './povray.ts';
import type { RecipeJob, RecipeReports, RecipeRequest, TemplateJson } from './recipe.ts';
import type { UserRecipe } from './user-recipe.ts';

/** A recipe file as a job that can be submitted. */
export interface CompiledRecipe extends RecipeJob {
  readonly template: TemplateJson;
  /** Only what the file says; the farm's defaults hold for the rest. */
  readonly policy: PolicyValues;
  /** What could be misunderstood, with line and column. */
  readonly warnings: readonly Problem[];
  /**
   * Where in the file to change what is wrong with the template, or with a parameter that the
   * template has no good value for.
   */
  readonly placeProblem: (problem: Problem) => Problem;
}

export interface CompileOptions {
  readonly format?: 'yaml' | 'json';
  /** Recipes of the studio's own, beside the built-in ones. */
  readonly recipes?: readonly UserRecipe[];
}

const headerKeys = ['name', 'description', 'policy'];

const headerSchema = z.object({
  name: z
    .string()
    .min(1)
    .max(128)
    .refine((text) => !text.includes('{{'), 'a name without "{{"')
    .optional(),
  description: z.string().min(1).max(2048).optional(),
  policy: policyMapSchema.optional(),
});

type BuiltIn = (request: RecipeRequest, fields: TemplateMap) => RecipeJob | undefined;

const builtIns: Readonly<Record<string, BuiltIn>> = { render: compileRender, encode };

/** Names of the recipes that are always there. */
export const builtInRecipes: readonly string[] = Object.keys(builtIns);

/**
 * Whether a text is meant as a recipe file rather than a job template: a map without
 * specificationVersion that has a recipe's key. False also for what cannot be read.
 */
export function isRecipe(source: string, options: CompileOptions = {}): boolean {
  const document = readSource(source, options.format ?? 'yaml');
  if (!document.ok || !isMap(document.value.value)) return false;
  const { value } = document.value;
  if (value.has('specificationVersion')) return false;
  return recipeNames(options).some((name) => value.has(name));
}

const recipeNames = ({ recipes = [] }: CompileOptions): string[] => [
  ...builtInRecipes,
  ...recipes.map(({ name }) => name),
];

/**
 * Compiles a recipe file (`render: {...}` and its like) to an OpenJD job template, checked as any
 * submission is. Every problem of the file is reported, with line and column. Never throws.
 */
export function compileRecipe(
  source: string,
  options: CompileOptions = {},
): Result<CompiledRecipe, Problem[]> {
  const document = readSource(source, options.format ?? 'yaml');
  if (!document.ok) return document;
  const { value, place } = document.value;
  const reports: RecipeReports = { problems: new ProblemList(), warnings: new ProblemList() };
  const failed = () => err(reports.problems.raw().map(place).toSorted(inReadingOrder));
  if (!isMap(value)) {
    reports.problems.mismatch([], 'a recipe file (a map)', describe(value));
    return failed();
  }
  const key = recipeKey(value, options, reports);
  const header = headerSchema.safeParse(toJson(value));
  if (!header.success) {
    for (const { path, message, ...rest } of fieldProblems(header.error.issues, value, [])) {
      reports.problems.add(path, message, rest);
    }
  }
  if (key === undefined) return failed();
  const { name, description, policy = {} } = header.success ? header.data : {};
  const request: RecipeRequest = {
    name,
    description,
    fields: toJson(value.get(key) ?? null),
    path: [key],
    reports,
    refuse: (problems) => {
      for (const { path, message, ...rest } of problems) reports.problems.add(path, message, rest);
    },
  };
  const job = compileFields(key, value, request, options);
  if (job !== undefined) checkCompiled(job.template, key, reports, policy);
  if (job === undefined || reports.problems.count > 0) return failed();
  const placeProblem = ({ path, message }: Problem): Problem => {
    const told = path[0] === 'parameters' ? `parameter ${path[1]}: ${message}` : refused(message);
    return place({ path: placeInFile(path, key), message: told });
  };
  return ok({
    ...job,
    policy: joined(policy, job),
    warnings: reports.warnings.raw().map(place),
    placeProblem,
  });
}

/** What the file says of steps goes before what its recipe does. */
function joined(policy: PolicyValues, { stepPolicies = {} }: RecipeJob): PolicyValues {
  const steps = { ...stepPolicies };
  for (const [name, said] of Object.entries(policy.steps ?? {})) {
    steps[name] = { ...steps[name], ...said };
  }
  return Object.keys(steps).length === 0 ? policy : { ...policy, steps };
}

/** The one key of the file that names a recipe. */
function recipeKey(
  value: TemplateMap,
  options: CompileOptions,
  { problems }: RecipeReports,
): string | undefined {
  const names = recipeNames(options);
  const found = [...value.keys()].filter((key) => names.includes(key));
  if (value.has('specificationVersion')) {
    const message = 'this is a job template already, with nothing to expand';
    problems.add(['specificationVersion'], message, { atKey: true });
    return undefined;
  }
  for (const key of value.keys()) {
    if (names.includes(key) || headerKeys.includes(key)) continue;
    const known = [...names, ...headerKeys];
    const message = `unknown key ${quote(key)}${suggestion(key, known)} in a recipe file (expected ${known.join(', ')})`;
    problems.add([key], message, { found: key, atKey: true });
  }
  const [first, second] = found;
  if (first === undefined) {
    problems.add([], `expected one of the keys ${names.join(', ')}, found none of them`);
  } else if (second !== undefined) {
    problems.mismatch([second], 'one recipe in a file', `${first} and ${second}`);
  }
  return second === undefined ? first : undefined;
}

function compileFields(
  key: string,
  value: TemplateMap,
  request: RecipeRequest,
  { recipes = [] }: CompileOptions,
): RecipeJob | undefined {
  const builtIn = Object.hasOwn(builtIns, key) ? builtIns[key] : undefined;
  if (builtIn !== undefined) return builtIn(request, value);
  const recipe = recipes.find(({ name }) => name === key);
  return recipe && compileUserRecipe(recipe, value.get(key) ?? null, request);
}

function compileRender(request: RecipeRequest, root: TemplateMap): RecipeJob | undefined {
  if (rendererOf(root.get('render')) === 'povray') {
    const fields = read(povrayFieldsSchema, request, root);
    return fields && compilePovray(fields, request);
  }
  const fields = read(blenderFieldsSchema, request, root);
  return fields && compileBlender(fields, request);
}

/** What `renderer` says, else what the scene's name does. */
function rendererOf(fields: TemplateValue | undefined): 'blender' | 'povray' {
  if (fields === undefined || !isMap(fields)) return 'blender';
  const renderer = fields.get('renderer');
  if (renderer !== undefined) return renderer === 'povray' ? 'povray' : 'blender';
  const scene = fields.get('scene');
  return typeof scene === 'string' && /\.pov$/i.test(scene) ? 'povray' : 'blender';
}

function encode(request: RecipeRequest, root: TemplateMap): RecipeJob | undefined {
  const fields = read(encodeFieldsSchema, request, root);
  return fields && compileEncode(fields, request);
}

function read<T>(
  schema: z.ZodType<T>,
  { fields, path, refuse }: RecipeRequest,
  root: TemplateMap,
): T | undefined {
  const parsed = schema.safeParse(fields);
  if (parsed.success) return parsed.data;
  refuse(fieldProblems(parsed.error.issues, root, path));
  return undefined;
}

/** What only the whole template tells: lengths, a studio's constraints on its parameters. */
function checkCompiled(
  template: TemplateJson,
  key: string,
  { problems }: RecipeReports,
  { steps = {}, failureRules = [] }: PolicyValues,
): void {
  const checked = validateTemplate(template);
  if (checked.ok) {
    const names = checked.value.steps.map(({ name }) => name);
    const unknown = [
      ...unknownStepPolicies(names, steps),
      ...unknownRuleSteps(names, failureRules),
    ];
    for (const { path, message, ...rest } of unknown) problems.add(path, message, rest);
    return;
  }
  for (const { path, message } of checked.error) {
    problems.add(placeInFile(path, key), refused(message));
  }
}

const refused = (message: string) => `the compiled template is refused: ${message}`;

const placeInFile = (path: ProblemPath, key: string): ProblemPath =>
  path[0] === 'name' || path[0] === 'description' ? [path[0]] : [key];

function inReadingOrder(a: Problem, b: Problem): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}
