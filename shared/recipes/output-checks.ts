import { plainPattern } from '../outputs/path-pattern.ts';
import type { OutputCheck } from '../protocol/output-checks.ts';
import { type OutputPattern, patternName } from './output-pattern.ts';
import type { RecipeJob } from './recipe.ts';

type StepPolicies = NonNullable<RecipeJob['stepPolicies']>;

/** What the tasks of a recipe's steps have to write, by the steps' names: done means looked at. */
export type StepChecks = Readonly<Record<string, OutputCheck>>;

/** Every frame's picture. `folder` is a reference or a path. */
export const pictureCheck = (folder: string, pattern: OutputPattern): OutputCheck => ({
  files: `${folder}/${patternName(pattern)}`,
});

/** A film in the folder of a reference. */
export const filmCheck = (folder: string, name: string): OutputCheck => ({
  files: `${folder}/${plainPattern(name)}`,
});

/** The policies of a recipe's steps, with checks for those of them that there are. */
export function checkedSteps(
  policies: StepPolicies | undefined,
  steps: readonly Record<string, unknown>[],
  checks: StepChecks,
): Pick<RecipeJob, 'stepPolicies'> {
  const all = { ...policies };
  for (const { name } of steps) {
    const check = checks[String(name)];
    if (check !== undefined) all[String(name)] = { ...all[String(name)], outputs: [check] };
  }
  return { stepPolicies: all };
}
