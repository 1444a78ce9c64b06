import { adaptiveChunks } from '../openjd/adaptive-chunks.ts';
import { suggestion } from '../openjd/near-miss.ts';
import type { RawProblem } from '../openjd/problem.ts';
import type { ResolvedJob } from '../openjd/resolved-job.ts';
import { quote } from '../openjd/text-rules.ts';
import { frameLinks } from './frame-dependencies.ts';
import { gangProblems } from './gang.ts';
import type { Policy } from './job.ts';

/** Every problem that the policies of a job's steps have with its steps. Paths start with "policy". */
export function stepPolicyProblems(
  { steps }: Pick<ResolvedJob, 'steps'>,
  policies: Policy['steps'],
): RawProblem[] {
  const names = steps.map(({ name }) => name);
  const problems = unknownStepPolicies(names, policies);
  for (const [name, policy] of Object.entries(policies)) {
    const { hold, order, scout, frameDependencies = [] } = policy;
    const step = steps.find((each) => each.name === name);
    const path = ['policy', 'steps', name];
    if (step !== undefined) problems.push(...gangProblems(step, policy));
    if (order !== 'ascending' && adaptiveChunks(step?.parameterSpace) !== undefined) {
      const message = `the chunks of ${quote(name)} adapt to their run time: they can only be cut in ascending order (found ${order})`;
      problems.push({ path: [...path, 'order'], message, found: order });
    }
    if (step !== undefined) {
      const links = frameLinks({ steps }, step, frameDependencies);
      if (!links.ok) problems.push(...links.error);
    }
    if (frameDependencies.length > 0) {
      const why = `the tasks of ${quote(name)} run as those they wait for end`;
      if (order !== 'ascending') {
        const message = `${why}: they have no order of their own (found ${order})`;
        problems.push({ path: [...path, 'order'], message, found: order });
      }
      if (scout !== undefined) {
        const message = `${why}: there is no telling which are its scouts`;
        problems.push({ path: [...path, 'scout'], message, found: `${scout}` });
      }
    }
    if (hold && scout !== undefined) {
      const message = `${quote(name)} has scouts and is held: it can wait for a person before its first task or behind its scouts, not both`;
      problems.push({ path: [...path, 'scout'], message, found: `${scout}` });
    }
  }
  return problems;
}

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
