import { isAdaptive } from '../openjd/adaptive-parameter.ts';
import { suggestion } from '../openjd/near-miss.ts';
import type { RawProblem } from '../openjd/problem.ts';
import type { ResolvedJob, ResolvedStep } from '../openjd/resolved-job.ts';
import { quote } from '../openjd/text-rules.ts';
import { err, ok, type Result } from '../result.ts';
import type { FrameDependency, Policy } from './job.ts';

/** How tasks of a step wait for single tasks of another: those with the same value. */
export interface FrameLink {
  /** Index of the step that is waited for. */
  readonly dependency: number;
  /** The waiting step's own parameter: INT or CHUNK[INT]. */
  readonly parameter: string;
  /** The other step's: INT or CHUNK[INT]. */
  readonly on: string;
}

type Steps = Pick<ResolvedJob, 'steps'>;

/** The links of one step, or every problem with them. Paths start with "policy". */
export function frameLinks(
  { steps }: Steps,
  step: ResolvedStep,
  dependencies: readonly FrameDependency[],
): Result<FrameLink[], RawProblem[]> {
  const path = ['policy', 'steps', step.name, 'frameDependencies'];
  const links: FrameLink[] = [];
  const problems: RawProblem[] = [];
  if (dependencies.length > 0 && step.parameterSpace?.parameters.some(isAdaptive)) {
    const message = `the chunks of ${quote(step.name)} adapt to their run time: they can't wait for single frames`;
    problems.push({ path, message });
  }
  for (const [i, given] of dependencies.entries()) {
    const add = (field: string, message: string, found: string) => {
      problems.push({ path: [...path, i, field], message, found });
    };
    const dependency = steps.findIndex(({ name }) => name === given.step);
    const other = steps[dependency];
    if (other === undefined || !step.dependsOn.includes(dependency)) {
      const names = step.dependsOn.flatMap((index) => steps[index]?.name ?? []);
      const expected = names.length === 0 ? 'it has no dependencies' : names.join(', ');
      const hint = suggestion(given.step, names);
      const text = `${quote(step.name)} does not depend on ${quote(given.step)} in the template${hint} (${expected})`;
      add('step', text, given.step);
      continue;
    }
    if (links.some((link) => link.dependency === dependency)) {
      add('step', `${quote(given.step)} is there twice`, given.step);
      continue;
    }
    const pair = parametersOf(step, other, given);
    if (pair.ok) links.push({ dependency, ...pair.value });
    else add(pair.error.field, pair.error.message, pair.error.found);
  }
  return problems.length > 0 ? err(problems) : ok(links);
}

interface PairProblem {
  field: 'parameter' | 'on' | 'step';
  message: string;
  found: string;
}

function parametersOf(
  step: ResolvedStep,
  other: ResolvedStep,
  given: FrameDependency,
): Result<Pick<FrameLink, 'parameter' | 'on'>, PairProblem> {
  const [own, others] = [framesOf(step), framesOf(other)];
  const { parameter = given.on, on = given.parameter } = given;
  if (parameter === undefined || on === undefined) {
    const shared = own.filter((name) => others.includes(name));
    const [only] = shared;
    if (only !== undefined && shared.length === 1) return ok({ parameter: only, on: only });
    const found = shared.length === 0 ? 'none' : shared.join(', ');
    const message = `expected one INT or CHUNK[INT] parameter that both ${quote(step.name)} and ${quote(other.name)} have, found ${found}: name it as parameter, and as on what it is called in ${quote(other.name)}`;
    return err({ field: 'step', message, found });
  }
  const missing = (of: ResolvedStep, name: string, names: readonly string[]) =>
    `${quote(of.name)} has no INT or CHUNK[INT] parameter ${quote(name)}${suggestion(name, names)} (expected ${names.join(', ') || 'none'})`;
  if (!own.includes(parameter)) {
    const message = missing(step, parameter, own);
    return err({
      field: given.parameter === undefined ? 'on' : 'parameter',
      message,
      found: parameter,
    });
  }
  if (!others.includes(on)) {
    const message = missing(other, on, others);
    return err({ field: given.on === undefined ? 'parameter' : 'on', message, found: on });
  }
  return ok({ parameter, on });
}

/** Names of the parameters whose values can be frames. */
const framesOf = ({ parameterSpace }: ResolvedStep): string[] =>
  (parameterSpace?.parameters ?? [])
    .filter(({ type }) => type === 'INT' || type === 'CHUNK[INT]')
    .map(({ name }) => name);

/** The links of every step of a job whose policy has been checked. Throws for any other. */
export function checkedFrameLinks(job: Steps, policies: Policy['steps']): FrameLink[][] {
  return job.steps.map((step) => {
    const links = frameLinks(job, step, policies[step.name]?.frameDependencies ?? []);
    if (!links.ok) throw new Error(`not a checked policy: ${links.error[0]?.message}`);
    return links.value;
  });
}

/** Of each step, those that must have succeeded as a whole before any of its tasks may run. */
export function wholeDependencies(job: Steps, policies: Policy['steps']): number[][] {
  return checkedFrameLinks(job, policies).map((links, index) => {
    const byFrame = new Set(links.map(({ dependency }) => dependency));
    return (job.steps[index]?.dependsOn ?? []).filter((of) => !byFrame.has(of));
  });
}
