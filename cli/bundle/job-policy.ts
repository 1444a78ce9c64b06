import type { PolicyInput } from '@karst/shared/protocol/job.ts';
import { unknownStepPolicies } from '@karst/shared/protocol/step-policies.ts';
import { fieldErrorLine } from '../api/problem-error.ts';
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
}

/** The person's own words go before the bundle's or recipe's. Throws for steps there are not. */
export function jobPolicy(bundle: Bundle, given: GivenPolicy): PolicyInput {
  const { recipe, parameterValues } = bundle;
  checkHolds(bundle, given.hold);
  const said = recipe?.policy ?? parameterValues?.value.policy;
  const steps = { ...recipe?.policy.steps };
  const held = parameterValues?.value.holds.map(({ step }) => step) ?? [];
  for (const name of [...held, ...given.hold]) steps[name] = { ...steps[name], hold: true };
  return {
    ...given.further,
    priority: given.priority ?? said?.priority,
    maxRetriesPerTask: given.maxRetries ?? said?.maxRetriesPerTask,
    maxFailedTasks: given.maxFailed ?? said?.maxFailedTasks,
    ...(Object.keys(steps).length === 0 ? {} : { steps }),
  };
}

function checkHolds({ template, parameterValues }: Bundle, given: readonly string[]): void {
  const names = template.steps.map(({ name }) => name);
  const policies = Object.fromEntries(given.map((name) => [name, {}]));
  const details = unknownStepPolicies(names, policies).map(({ message }) => `--hold: ${message}`);
  if (parameterValues !== undefined) {
    const { file, value } = parameterValues;
    details.push(...holdProblems(template, value).map((problem) => fieldErrorLine(problem, file)));
  }
  if (details.length > 0) throw new CliError('The steps to hold are not the job’s.', { details });
}
