import { createJob } from '@karst/shared/openjd/create-job.ts';
import type { Problem } from '@karst/shared/openjd/problem.ts';
import type { ResolvedStep } from '@karst/shared/openjd/resolved-job.ts';
import type {
  Environment,
  EnvironmentTemplate,
  JobParameterDefinition,
  JobTemplate,
  Step,
} from '@karst/shared/openjd/types.ts';
import { err, ok, type Result } from '@karst/shared/result.ts';

export interface ParameterSummary {
  name: string;
  type: string;
  /** Needs a value, and was given none. */
  required: boolean;
  default?: string;
  /** What it has: the value given, else the default. */
  value?: string;
  description?: string;
}

export interface EnvironmentSummary {
  name: string;
  /** The step it is around; absent: the whole job. */
  step?: string;
  description?: string;
}

export interface StepSummary {
  name: string;
  description?: string;
  /** Null while parameters it may depend on have no value. */
  tasks: number | null;
  dependsOn: string[];
  environments: string[];
  taskParameters: { name: string; type: string }[];
  requirements: string[];
}

/** What a template makes, as data. */
export interface Summary {
  kind: 'job' | 'environment';
  /** As it would be called; with its format strings while parameters have no value. */
  name: string;
  description?: string;
  extensions: string[];
  parameters: ParameterSummary[];
  environments: EnvironmentSummary[];
  steps: StepSummary[];
  /** Of all steps together; null as in a step. */
  tasks: number | null;
}

type Values = Readonly<Record<string, string | number>>;

/**
 * What a job template makes from these values. Parameters that have none yet are told as required and
 * leave the numbers of tasks open; every other problem of the values is an error.
 */
export function summarizeJob(template: JobTemplate, values: Values): Result<Summary, Problem[]> {
  const created = createJob(template, values);
  const missing = new Set(missingNames(template, values));
  if (!created.ok) {
    const real = created.error.filter(({ path: [root, name] }) =>
      root === 'parameters' ? !missing.has(String(name)) : missing.size === 0,
    );
    if (real.length > 0 || missing.size === 0) return err(real);
  }
  const resolved = created.ok ? created.value : undefined;
  const steps = template.steps.map((step, index) => stepSummary(step, resolved?.steps[index]));
  const jobEnvironments = template.jobEnvironments ?? [];
  const { description } = template;
  return ok({
    kind: 'job',
    name: resolved?.name ?? template.name,
    ...(description === undefined ? {} : { description }),
    extensions: [...(template.extensions ?? [])],
    parameters: parameterSummaries(template.parameterDefinitions, values),
    environments: [
      ...jobEnvironments.map((environment) => environmentSummary(environment)),
      ...template.steps.flatMap(({ name, stepEnvironments = [] }) =>
        stepEnvironments.map((environment) => environmentSummary(environment, name)),
      ),
    ],
    steps,
    tasks: resolved?.steps.reduce((sum, { taskCount }) => sum + taskCount, 0) ?? null,
  });
}

/** What an environment template puts around jobs. */
export function summarizeEnvironment(template: EnvironmentTemplate, values: Values): Summary {
  const { environment, extensions = [], parameterDefinitions } = template;
  return {
    kind: 'environment',
    name: environment.name,
    ...(environment.description === undefined ? {} : { description: environment.description }),
    extensions: [...extensions],
    parameters: parameterSummaries(parameterDefinitions, values),
    environments: [environmentSummary(environment)],
    steps: [],
    tasks: 0,
  };
}

function missingNames({ parameterDefinitions = [] }: JobTemplate, values: Values): string[] {
  return parameterDefinitions
    .filter((each) => each.default === undefined && !Object.hasOwn(values, each.name))
    .map(({ name }) => name);
}

function parameterSummaries(
  definitions: readonly JobParameterDefinition[] = [],
  values: Values,
): ParameterSummary[] {
  return definitions.map(({ name, type, description, default: fallback }) => {
    const given = Object.hasOwn(values, name) ? values[name] : fallback;
    return {
      name,
      type,
      required: given === undefined,
      ...(fallback === undefined ? {} : { default: fallback }),
      ...(given === undefined ? {} : { value: String(given) }),
      ...(description === undefined ? {} : { description }),
    };
  });
}

const environmentSummary = (
  { name, description }: Environment,
  step?: string,
): EnvironmentSummary => ({
  name,
  ...(step === undefined ? {} : { step }),
  ...(description === undefined ? {} : { description }),
});

function stepSummary(step: Step, resolved: ResolvedStep | undefined): StepSummary {
  const { amounts = [], attributes = [] } = step.hostRequirements ?? {};
  return {
    name: step.name,
    ...(step.description === undefined ? {} : { description: step.description }),
    tasks: resolved?.taskCount ?? null,
    dependsOn: (step.dependencies ?? []).map(({ dependsOn }) => dependsOn),
    environments: (step.stepEnvironments ?? []).map(({ name }) => name),
    taskParameters: (step.parameterSpace?.taskParameterDefinitions ?? []).map(({ name, type }) => ({
      name,
      type,
    })),
    requirements: [
      ...amounts.map(({ name, min, max }) =>
        [name, min === undefined ? '' : ` >= ${min}`, max === undefined ? '' : ` <= ${max}`].join(
          '',
        ),
      ),
      ...attributes.map(({ name, anyOf, allOf }) =>
        [
          name,
          anyOf === undefined ? '' : ` any of ${anyOf.join(', ')}`,
          allOf === undefined ? '' : ` all of ${allOf.join(', ')}`,
        ].join(''),
      ),
    ],
  };
}
