import { suggestion } from '../openjd/near-miss.ts';
import type { RawProblem } from '../openjd/problem.ts';
import { quote } from '../openjd/text-rules.ts';

/** One problem for each name in `policy.steps` that is no step's. Paths start with "policy". */
export function unknownStepPolicies(
  stepNames: readonly string[],
  policies: Readonly<Record<string, unknown>>,
): RawProblem[] {
  return Object.keys(policies)
    .filter((name) => !stepNames.includes(name))
    .map((name) => {
      const hint = suggestion(name, stepNames);
      const message = `the job has no step ${quote(name)}${hint} (expected ${stepNames.join(', ')})`;
      return { path: ['policy', 'steps', name], message, found: name, atKey: true };
    });
}
