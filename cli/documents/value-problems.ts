import type { ParameterValuesFile } from '@karst/shared/bundle/parameter-values.ts';
import { createJob } from '@karst/shared/openjd/create-job.ts';
import type { Problem } from '@karst/shared/openjd/problem.ts';
import type { JobTemplate } from '@karst/shared/openjd/types.ts';
import { unknownStepPolicies } from '@karst/shared/protocol/step-policies.ts';

/**
 * What the template's rules say against the values of a bundle's file, at their places in that file.
 * Values that are still missing are no problem: the person who submits may give them.
 */
export function valueProblems(template: JobTemplate, { values }: ParameterValuesFile): Problem[] {
  const plain = Object.fromEntries([...values].map(([name, { value }]) => [name, value]));
  const created = createJob(template, plain);
  if (created.ok) return [];
  return created.error.flatMap((problem) => {
    const [root, name] = problem.path;
    const given = root === 'parameters' ? values.get(String(name)) : undefined;
    if (given === undefined) return [];
    return [{ ...problem, line: given.line, column: given.column }];
  });
}

/** Steps to be held that the template does not have, at their places in the file. */
export function holdProblems({ steps }: JobTemplate, { holds }: ParameterValuesFile): Problem[] {
  const names = steps.map(({ name }) => name);
  return holds.flatMap(({ step, line, column }) =>
    unknownStepPolicies(names, { [step]: {} }).map(({ message }) => ({
      path: ['parameterValues'],
      message,
      line,
      column,
    })),
  );
}
