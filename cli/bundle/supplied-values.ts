import type { Place } from '@karst/shared/bundle/document.ts';
import type { Problem } from '@karst/shared/openjd/problem.ts';
import { fieldErrorLine } from '../api/problem-error.ts';
import type { Bundle } from './read-bundle.ts';

/** A job parameter's value, and who says so: the person (-p) or the bundle's parameter_values. */
export interface SuppliedValue {
  readonly value: string | number;
  readonly source: 'given' | 'bundle';
  /** In the bundle's file. */
  readonly place?: Place;
}

export type SuppliedValues = ReadonlyMap<string, SuppliedValue>;

/** The bundle's own values, or those of its recipe, overridden by those that the person gives. */
export function supplyValues(
  bundle: Bundle,
  given: Readonly<Record<string, string | number>>,
): SuppliedValues {
  const supplied = new Map<string, SuppliedValue>();
  for (const [name, value] of Object.entries(bundle.recipe?.parameters ?? {})) {
    supplied.set(name, { value, source: 'bundle' });
  }
  for (const [name, { value, line, column }] of bundle.parameterValues?.value.values ?? []) {
    supplied.set(name, { value, source: 'bundle', place: { line, column } });
  }
  for (const [name, value] of Object.entries(given)) {
    supplied.set(name, { value, source: 'given' });
  }
  return supplied;
}

/** As the job is made from them. */
export const plainValues = (supplied: SuppliedValues): Record<string, string | number> =>
  Object.fromEntries([...supplied].map(([name, { value }]) => [name, value]));

/** A problem of creating the job, at its place in parameter_values or in the recipe file it comes from. */
export function createProblemLine(
  bundle: Bundle,
  supplied: SuppliedValues,
  problem: Problem,
): string {
  const [root, name] = problem.path;
  const place = root === 'parameters' ? supplied.get(String(name))?.place : undefined;
  if (place === undefined) {
    const isGiven = root === 'parameters' && supplied.get(String(name))?.source === 'given';
    const ofRecipe = isGiven ? undefined : bundle.recipe?.placeProblem(problem);
    return fieldErrorLine(ofRecipe ?? problem, bundle.templateName);
  }
  return fieldErrorLine({ ...problem, ...place }, bundle.parameterValues?.file);
}
