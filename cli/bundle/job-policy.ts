import { type JobChange, joinPolicies } from '@karst/shared/protocol/job-change.ts';
import type { PolicyValues } from '@karst/shared/protocol/policy-fields.ts';
import { unknownStepPolicies } from '@karst/shared/protocol/step-policies.ts';
import { fieldErrorLine } from '../api/problem-error.ts';
import type { StepSetting } from '../commands/step-options.ts';
import { policyProblems } from '../documents/value-problems.ts';
import { CliError } from '../failure.ts';
import type { Bundle } from './read-bundle.ts';

/** What the person's flags say of a job's policy. */
export interface GivenPolicy {
  /** What `--policy` holds. */
  readonly whole: PolicyValues | undefined;
  readonly priority?: number | undefined;
  readonly maxRetries?: number | undefined;
  readonly maxFailed?: number | undefined;
  /** Names of steps. */
  readonly hold: readonly string[];
  /** How it ranks, where it may run, what it may take; null takes back what the bundle says. */
  readonly further: JobChange;
  readonly stepSettings: readonly StepSetting[];
}

/**
 * The flags go before `--policy`, and that before the bundle's or recipe's own. Throws for steps there
 * are not.
 */
export function jobPolicy(bundle: Bundle, given: GivenPolicy): PolicyValues {
  checkSteps(bundle, given);
  const { recipe, parameterValues } = bundle;
  const { paused: _, ...ofBundle } = parameterValues?.value.policy ?? {};
  const policy = joinPolicies(recipe?.policy ?? ofBundle, given.whole ?? {});
  const steps = { ...policy.steps };
  const held = parameterValues?.value.holds.map(({ step }) => step) ?? [];
  for (const name of [...held, ...given.hold]) steps[name] = { ...steps[name], hold: true };
  for (const { step, policy: said } of given.stepSettings) {
    const { frameDependencies = [] } = steps[step] ?? {};
    const all = [...frameDependencies, ...(said.frameDependencies ?? [])];
    const frames = all.length === 0 ? {} : { frameDependencies: all };
    steps[step] = { ...steps[step], ...said, ...frames };
  }
  const { priority, maxRetries: maxRetriesPerTask, maxFailed: maxFailedTasks } = given;
  return joinPolicies(
    { ...policy, steps },
    { ...given.further, priority, maxRetriesPerTask, maxFailedTasks },
  );
}

function checkSteps(
  { template, parameterValues }: Bundle,
  { whole, hold, stepSettings }: GivenPolicy,
): void {
  const names = template.steps.map(({ name }) => name);
  const named = [
    ...Object.keys(whole?.steps ?? {}).map((step) => ({ flag: '--policy', step })),
    ...hold.map((step) => ({ flag: '--hold', step })),
    ...stepSettings,
  ];
  const details = named.flatMap(({ flag, step }) =>
    unknownStepPolicies(names, { [step]: {} }).map(({ message }) => `${flag}: ${message}`),
  );
  if (parameterValues !== undefined) {
    const { file, value } = parameterValues;
    const problems = policyProblems(template, value);
    details.push(...problems.map((problem) => fieldErrorLine(problem, file)));
  }
  if (details.length > 0) throw new CliError('The steps named are not the job’s.', { details });
}
