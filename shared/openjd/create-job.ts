import { err, ok, type Result } from '../result.ts';
import { bindParameters, type ParameterValues, type PathBases } from './bind-parameters.ts';
import { createScript } from './create-script.ts';
import { type CreatedSpace, createSpace } from './create-space.ts';
import { createEnvironment } from './environments.ts';
import { resolveHostRequirements } from './host-requirements.ts';
import { limitsOf } from './limits.ts';
import { mergeParameters } from './merge-parameters.ts';
import { type Problem, ProblemList, type ProblemPath } from './problem.ts';
import { checkText } from './reader.ts';
import { resolveText } from './resolve-text.ts';
import type {
  ResolvedEnvironment,
  ResolvedJob,
  ResolvedParameter,
  ResolvedStep,
} from './resolved-job.ts';
import type { EnvironmentTemplate, JobTemplate, Step } from './types.ts';

export { type ResolvedJob, type ResolvedStep, resolvedJobSchema } from './resolved-job.ts';

export interface CreateJobOptions extends PathBases {
  /** The most tasks the job may have in all steps together. */
  readonly tasksPerJobMax?: number | undefined;
  /** Put around the job from outside, entered in this order before its own. */
  readonly environments?: readonly EnvironmentTemplate[] | undefined;
}

/**
 * Makes a job from a validated template. Paths of problems start with "parameters" for values that
 * were given and for definitions that contradict each other, with "environments" and an index
 * for the environments given, and are the template's own otherwise. The cost depends on the
 * template's size and never on the number of tasks.
 */
export function createJob(
  template: JobTemplate,
  parameterValues: ParameterValues,
  options: CreateJobOptions = {},
): Result<ResolvedJob, Problem[]> {
  const definitions = mergeParameters(template, options.environments);
  if (!definitions.ok) return definitions;
  const problems = new ProblemList();
  const parameters = bindParameters(definitions.value, parameterValues, options, problems);
  const symbols = creationSymbols(parameters);
  const name = createName(template, symbols, problems);
  const jobEnvironments = createJobEnvironments(template, options, symbols, problems);
  const { steps, counts } = createSteps(template, symbols, problems);
  checkTaskCounts(counts, options.tasksPerJobMax ?? Number.MAX_SAFE_INTEGER, problems);
  if (problems.count > 0 || name === undefined) return err(problems.all());
  const { description } = template;
  return ok({
    name,
    ...(description === undefined ? {} : { description }),
    parameters: Object.fromEntries(parameters),
    ...(jobEnvironments.length === 0 ? {} : { jobEnvironments }),
    steps,
  });
}

function createJobEnvironments(
  { jobEnvironments = [], extensions = [] }: JobTemplate,
  { environments = [] }: CreateJobOptions,
  symbols: ReadonlyMap<string, string>,
  problems: ProblemList,
): ResolvedEnvironment[] {
  const outside = environments.map(({ environment, extensions: own = [] }, index) => {
    const path = ['environments', index, 'environment'];
    return createEnvironment(environment, [...extensions, ...own], path, symbols, problems);
  });
  const own = jobEnvironments.map((environment, index) =>
    createEnvironment(environment, extensions, ['jobEnvironments', index], symbols, problems),
  );
  return [...outside, ...own];
}

function createSteps(
  { steps: templates, extensions = [] }: JobTemplate,
  symbols: ReadonlyMap<string, string>,
  problems: ProblemList,
): { steps: ResolvedStep[]; counts: StepCount[] } {
  const indices = new Map(templates.map((step, index) => [step.name, index]));
  const steps: ResolvedStep[] = [];
  const counts: StepCount[] = [];
  for (const [index, step] of templates.entries()) {
    const path = ['steps', index];
    const created = spaceOf(step, path, symbols, problems);
    const script = createScript(step, path, symbols, problems);
    const environments = step.stepEnvironments?.map((environment, number) => {
      const at = [...path, 'stepEnvironments', number];
      return createEnvironment(environment, extensions, at, symbols, problems);
    });
    const hostRequirements =
      step.hostRequirements &&
      resolveHostRequirements(
        step.hostRequirements,
        [...path, 'hostRequirements'],
        symbols,
        problems,
      );
    if (created === 'refused') continue;
    counts.push({ tasks: created?.tasks ?? 1n, path: created?.longestRange ?? path });
    steps.push({
      name: step.name,
      dependsOn: (step.dependencies ?? []).map(({ dependsOn }) => indexOf(indices, dependsOn)),
      taskCount: Number(created?.tasks ?? 1n),
      ...(environments === undefined ? {} : { environments }),
      ...(hostRequirements === undefined ? {} : { hostRequirements }),
      ...(created === undefined ? {} : { parameterSpace: created.space }),
      script,
    });
  }
  return { steps, counts };
}

/** What is known before any host is: PATH parameters only as they were given. */
function creationSymbols(parameters: ReadonlyMap<string, ResolvedParameter>): Map<string, string> {
  const symbols = new Map<string, string>();
  for (const [name, { type, value }] of parameters) {
    symbols.set(`RawParam.${name}`, value);
    if (type !== 'PATH') symbols.set(`Param.${name}`, value);
  }
  return symbols;
}

function createName(
  { name: text, extensions }: JobTemplate,
  symbols: ReadonlyMap<string, string>,
  problems: ProblemList,
): string | undefined {
  const name = resolveText(text, ['name'], symbols, problems);
  if (name === undefined) return undefined;
  const what = 'a job name';
  const max = limitsOf(new Set(extensions)).jobNameMax;
  const rule = { what, min: 1, max, control: 'none' } as const;
  return checkText(problems, name, ['name'], rule) ? name : undefined;
}

function spaceOf(
  step: Step,
  path: ProblemPath,
  symbols: ReadonlyMap<string, string>,
  problems: ProblemList,
): CreatedSpace | undefined | 'refused' {
  if (step.parameterSpace === undefined) return undefined;
  const at = [...path, 'parameterSpace'];
  return createSpace(step.parameterSpace, at, symbols, problems) ?? 'refused';
}

function indexOf(indices: ReadonlyMap<string, number>, name: string): number {
  const index = indices.get(name);
  if (index === undefined) throw new Error(`not a validated template: no step ${name}`);
  return index;
}

interface StepCount {
  readonly tasks: bigint;
  readonly path: ProblemPath;
}

/** Reports each step that is too large by itself, else the job when the steps together are. */
function checkTaskCounts(counts: readonly StepCount[], max: number, problems: ProblemList): void {
  const expected = `at most ${max} tasks in a job`;
  let total = 0n;
  let reported = false;
  for (const { tasks, path } of counts) {
    total += tasks;
    if (tasks <= BigInt(max)) continue;
    reported = true;
    const found = `${tasks} tasks`;
    problems.add(path, `this step makes ${found}; expected ${expected}`, { found, expected });
  }
  if (reported || total <= BigInt(max)) return;
  const found = `${total} tasks`;
  problems.add(['steps'], `the steps make ${found} together; expected ${expected}`, {
    found,
    expected,
  });
}
