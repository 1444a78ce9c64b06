import path from 'node:path';
import { createJob } from '@karst/shared/openjd/create-job.ts';
import { parseEnvironmentTemplate } from '@karst/shared/openjd/parse-environment.ts';
import type { PathMappingRule } from '@karst/shared/openjd/path-mapping-rules.ts';
import type { ResolvedJob, ResolvedStep } from '@karst/shared/openjd/resolved-job.ts';
import type { EnvironmentTemplate } from '@karst/shared/openjd/types.ts';
import { fieldErrorLine } from '../api/problem-error.ts';
import { type Bundle, readBundle } from '../bundle/read-bundle.ts';
import {
  createProblemLine,
  plainValues,
  type SuppliedValues,
  supplyValues,
} from '../bundle/supplied-values.ts';
import type { CliContext } from '../context.ts';
import { formatOf } from '../documents/document.ts';
import { readText } from '../documents/read-text.ts';
import { CliError, usageError } from '../failure.ts';
import { sayWarnings } from '../recipes/read-recipe.ts';
import { readRules } from './read-rules.ts';
import { readSelection, selectTasks } from './select-tasks.ts';

export interface RunOptions {
  param: Readonly<Record<string, string | number>>;
  /** Folders with recipes of the studio's own. */
  recipes: readonly string[];
  /** Files of environment templates, outermost first. */
  environment: readonly string[];
  pathMappingRules: string | undefined;
  step: string | undefined;
  runDependencies: boolean;
  /** As given: JSON, file://PATH or NAME=VALUE,… */
  tasks: string | undefined;
  /** The parameters of one task; not with tasks. */
  taskParam: Readonly<Record<string, string>> | undefined;
  maximumTasks: number | undefined;
  preserve: boolean;
}

/** What the agent's run entry reads; it checks every part again. */
export interface Plan {
  job: ResolvedJob;
  steps: { step: number; tasks?: number[] }[];
  tasksMax?: number;
  pathMappingRules: PathMappingRule[];
  preserve?: boolean;
}

/** Makes the job on this machine and chooses what of it to run. Throws CliError with every problem. */
export async function readPlan(
  target: string,
  options: RunOptions,
  context: CliContext,
): Promise<Plan> {
  const { cwd } = context;
  const bundle = await readBundle(target, cwd, options.recipes);
  if (bundle.recipe !== undefined) sayWarnings(context, bundle.recipe);
  const environments: EnvironmentTemplate[] = [];
  for (const file of options.environment) environments.push(await readEnvironment(file, cwd));
  const supplied = supplyValues(bundle, options.param);
  const created = createJob(bundle.template, placedValues(bundle, supplied), {
    templateDir: bundle.rootDir,
    currentDir: cwd,
    environments,
  });
  if (!created.ok) {
    throw new CliError('The job can not be made.', {
      details: created.error.map((problem) => createProblemLine(bundle, supplied, problem)),
    });
  }
  const job = created.value;
  const steps = chosenSteps(job, options.step, options.runDependencies);
  const { tasks, taskParam, maximumTasks, preserve } = options;
  const last = steps.at(-1);
  const flag = taskParam === undefined ? '--tasks' : '--task-param';
  const selection =
    tasks === undefined ? taskParam && [taskParam] : await readSelection(tasks, cwd);
  if (selection !== undefined && last !== undefined) {
    if (options.step === undefined && job.steps.length > 1) {
      throw usageError(`${flag} needs --step: the job has several steps.`);
    }
    last.tasks = selectTasks(stepAt(job, last.step), selection, flag);
  }
  return {
    job,
    steps,
    ...(maximumTasks === undefined ? {} : { tasksMax: maximumTasks }),
    pathMappingRules: await readRules(options.pathMappingRules, cwd),
    ...(preserve ? { preserve } : {}),
  };
}

/** A bundle's own relative paths are relative to it, wherever it is run from. */
function placedValues(
  { template, rootDir }: Bundle,
  supplied: SuppliedValues,
): Record<string, string | number> {
  const values = plainValues(supplied);
  for (const { name, type } of template.parameterDefinitions ?? []) {
    const value = supplied.get(name);
    if (type !== 'PATH' || value?.source !== 'bundle' || value.value === '') continue;
    values[name] = path.resolve(rootDir, String(value.value));
  }
  return values;
}

async function readEnvironment(file: string, cwd: string): Promise<EnvironmentTemplate> {
  const text = await readText(path.resolve(cwd, file));
  if (!text.ok) throw new CliError(`${file} ${text.error}.`);
  const parsed = parseEnvironmentTemplate(text.value, formatOf(file));
  if (parsed.ok) return parsed.value.template;
  throw new CliError('The environment template is not valid.', {
    details: parsed.error.map((problem) => fieldErrorLine(problem, file)),
  });
}

/** All steps, or one (with those it depends on), each after those it depends on. */
function chosenSteps(job: ResolvedJob, name: string | undefined, dependencies: boolean) {
  const at = job.steps.findIndex((step) => step.name === name);
  if (name !== undefined && at === -1) {
    const names = job.steps.map((step) => step.name).join(', ');
    throw usageError(`The job has no step ${name} (it has ${names}).`);
  }
  if (name !== undefined && !dependencies) return [{ step: at }];
  const chosen = new Set<number>();
  const add = (index: number): void => {
    if (chosen.has(index)) return;
    for (const before of stepAt(job, index).dependsOn) add(before);
    chosen.add(index);
  };
  if (name === undefined) for (const index of job.steps.keys()) add(index);
  else add(at);
  return [...chosen].map((step): { step: number; tasks?: number[] } => ({ step }));
}

function stepAt(job: ResolvedJob, index: number): ResolvedStep {
  const step = job.steps[index];
  if (step === undefined) throw new Error(`the job has no step ${index}`);
  return step;
}
