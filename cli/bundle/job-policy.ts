import type { PolicyInput } from '@karst/shared/protocol/job.ts';
import { unknownStepPolicies } from '@karst/shared/protocol/step-policies.ts';
import { fieldErrorLine } from '../api/problem-error.ts';
import type { StepSetting } from '../commands/step-options.ts';
import { holdProblems } from '../documents/value-problems.ts';
import { CliError } from '../failure.ts';
import type { Bundle } from './read-bundle.ts';

/** What the person's flags say of a job's policy. */
export interface GivenPolicy {
  readonly priority?: number | undefined;
  readonly maxRetries?: number | undefined;
  readonly maxFailed?: number | undefined;
  /** Names of steps. */
  readonly hold: readonly string[];
  /** How it ranks, where it may run, what it may take. */
  readonly further: PolicyInput;
  readonly stepSettings: readonly StepSetting[];
}

/** The person's own words go before the bundle's or recipe's. Throws for steps there are not. */
export function jobPolicy(bundle: Bundle, given: GivenPolicy): PolicyInput {
  const { recipe, parameterValues } = bundle;
  checkSteps(bundle, given);
  const said = recipe?.policy ?? parameterValues?.value.policy;
  const steps = { ...recipe?.policy.steps };
  const held = parameterValues?.value.holds.map(({ step }) => step) ?? [];
  for (const name of [...held, ...given.hold]) steps[name] = { ...steps[name], hold: true };
  for (const { step, policy } of given.stepSettings) {
    const { frameDependencies = [] } = steps[step] ?? {};
    const all = [...frameDependencies, ...(policy.frameDependencies ?? [])];
    const frames = all.length === 0 ? {} : { frameDependencies: all };
    steps[step] = { ...steps[step], ...policy, ...frames };
  }
  return {
    ...given.further,
    priority: given.priority ?? said?.priority,
    maxRetriesPerTask: given.maxRetries ?? said?.maxRetriesPerTask,
    maxFailedTasks: given.maxFailed ?? said?.maxFailedTasks,
    ...(Object.keys(steps).length === 0 ? {} : { steps }),
  };
}

function checkSteps(
  { template, parameterValues }: Bundle,
  { hold, stepSettings }: GivenPolicy,
): void {
  const names = template.steps.map(({ name }) => name);
  const named = [...hold.map((step) => ({ flag: '--hold', step })), ...stepSettings];
  const details = named.flatMap(({ flag, step }) =>
    unknownStepPolicies(names, { [step]: {} }).map(({ message }) => `${flag}: ${message}`),
  );
  if (parameterValues !== undefined) {
    const { file, value } = parameterValues;
    details.push(...holdProblems(template, value).map((problem) => fieldErrorLine(problem, file)));
  }
  if (details.length > 0) throw new CliError('The steps named are not the job’s.', { details });
}
