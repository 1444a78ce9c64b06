import type { ParameterValuesFile } from '@karst/shared/bundle/parameter-values.ts';
import { createJob } from '@karst/shared/openjd/create-job.ts';
import type { Problem } from '@karst/shared/openjd/problem.ts';
import type { JobTemplate } from '@karst/shared/openjd/types.ts';
import { unknownRuleSteps } from '@karst/shared/protocol/failure-rules.ts';
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

/** Steps that the file's policy names and the template does not have, at their places in the file. */
export function policyProblems(
  { steps }: JobTemplate,
  { holds, policy, policyPlace }: ParameterValuesFile,
): Problem[] {
  const names = steps.map(({ name }) => name);
  const unknown = [
    ...unknownStepPolicies(names, policy.steps ?? {}),
    ...unknownRuleSteps(names, policy.failureRules ?? []),
  ];
  const ofPolicy = unknown.map(({ path: [, ...path], message, atKey }) => ({
    path: ['parameterValues'],
    message,
    ...policyPlace(path, atKey),
  }));
  const ofHolds = holds.flatMap(({ step, line, column }) =>
    unknownStepPolicies(names, { [step]: {} }).map(({ message }) => ({
      path: ['parameterValues'],
      message,
      line,
      column,
    })),
  );
  return [...ofPolicy, ...ofHolds];
}
