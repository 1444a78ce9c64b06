import type { ProblemList, ProblemPath, RawProblem } from '../openjd/problem.ts';
import type { PolicyValues } from '../protocol/policy-fields.ts';

/** An OpenJD document as plain data, in the order it is to be read. */
export type TemplateJson = Readonly<Record<string, unknown>>;

/** What a recipe makes of a person's few words. */
export interface RecipeJob {
  readonly template: TemplateJson;
  /**
   * Values of parameters that cannot be defaults: paths that are absolute or lead out of the
   * folder of the recipe file. A relative one is relative to that folder.
   */
  readonly parameters: Readonly<Record<string, string>>;
  /** Of a job that renders with Blender: parameters whose values, joined, are the .blend file's path. */
  readonly scene?: readonly string[];
  /** What no template can hold of its steps, by their names. */
  readonly stepPolicies?: NonNullable<PolicyValues['steps']>;
}

/** Where a recipe reports. Paths are those of the document. */
export interface RecipeReports {
  readonly problems: ProblemList;
  readonly warnings: ProblemList;
}

/** What a built-in recipe is given. */
export interface RecipeRequest {
  /** Name of the job; when absent the recipe makes one. */
  readonly name: string | undefined;
  readonly description: string | undefined;
  /** The value under the recipe's key, as plain data. */
  readonly fields: unknown;
  /** Path of that key. */
  readonly path: ProblemPath;
  readonly reports: RecipeReports;
  /** Adds what zod found wrong to the problems. */
  readonly refuse: (problems: readonly RawProblem[]) => void;
}
