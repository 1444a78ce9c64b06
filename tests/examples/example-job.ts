import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createJob, type ResolvedJob, type ResolvedStep } from '@karst/shared/openjd/create-job.ts';
import { taskParameters } from '@karst/shared/openjd/parameter-space.ts';
import { parseTemplate } from '@karst/shared/openjd/parse-template.ts';
import { resolveAction } from '@karst/shared/openjd/resolve-task.ts';
import type { Result } from '@karst/shared/result.ts';
import { type CommandResult, runCommand } from '../../scripts/run-command.ts';

const examplesDir = path.resolve(import.meta.dirname, '../../examples');

export interface ExampleJob {
  bundleDir: string;
  job: ResolvedJob;
}

/** The job that an example's template makes with these parameters. Throws with all its problems. */
export async function exampleJob(
  name: string,
  parameters: Record<string, string | number> = {},
): Promise<ExampleJob> {
  const bundleDir = path.join(examplesDir, name);
  const source = await readFile(path.join(bundleDir, 'template.yaml'), 'utf8');
  const { template } = must(parseTemplate(source));
  return { bundleDir, job: must(createJob(template, parameters)) };
}

export function exampleStep({ job }: ExampleJob, stepName: string): ResolvedStep {
  const step = job.steps.find(({ name }) => name === stepName);
  if (step === undefined) throw new Error(`The job has no step ${stepName}.`);
  return step;
}

export interface TaskPlace {
  /** What the task finds for each PATH parameter that is not an input of the bundle. */
  paths: Record<string, string>;
  env?: NodeJS.ProcessEnv;
}

/** Runs one task of an example by hand, by the very argument list a node would use. */
export async function runTask(
  example: ExampleJob,
  stepName: string,
  index: number,
  place: TaskPlace,
): Promise<CommandResult> {
  const step = exampleStep(example, stepName);
  const inBundle = Object.entries(example.job.parameters)
    .filter(([, parameter]) => parameter.type === 'PATH')
    .map(([name, parameter]) => [name, path.join(example.bundleDir, parameter.value)] as const);
  const action = resolveAction(example.job, step, taskParameters(step.parameterSpace, index), {
    workingDirectory: example.bundleDir,
    files: {},
    hasPathMappingRules: false,
    pathMappingRulesFile: '',
    pathParameterValues: { ...Object.fromEntries(inBundle), ...place.paths },
  });
  return runCommand(action.command, action.args, { ...(place.env ? { env: place.env } : {}) });
}

/** The numbers a task's output gives with `openjd_progress:`, each at the start of a line. */
export function progressOf(result: CommandResult): number[] {
  const said = result.stdout.toString('utf8');
  return [...said.matchAll(/^openjd_progress: (\d+)$/gm)].map((match) => Number(match[1]));
}

function must<T>(result: Result<T, { message: string }[]>): T {
  if (result.ok) return result.value;
  throw new Error(result.error.map((problem) => problem.message).join('\n'));
}
