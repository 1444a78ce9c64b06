import type { Problem } from './problem.ts';
import type { JobTemplate } from './types.ts';

/** What a template may ask for and a farm may not be able to run yet. */
export type Feature = 'environments' | 'hostRequirements' | 'chunks';

/** What a farm of this version runs. */
export const farmFeatures: ReadonlySet<Feature> = new Set(['environments', 'chunks']);

/** Every place where a template asks for a feature that is not in `supported`. */
export function unsupportedFeatures(
  template: JobTemplate,
  supported: ReadonlySet<Feature> = new Set(),
): Problem[] {
  const problems: Problem[] = [];
  const refuse = (feature: Feature, path: Problem['path'], what: string): void => {
    if (supported.has(feature)) return;
    problems.push({ path, message: `${what} is not supported yet on this farm`, found: what });
  };
  if (template.jobEnvironments !== undefined) {
    refuse('environments', ['jobEnvironments'], 'jobEnvironments');
  }
  for (const [index, step] of template.steps.entries()) {
    const path = ['steps', index];
    if (step.stepEnvironments !== undefined) {
      refuse('environments', [...path, 'stepEnvironments'], 'stepEnvironments');
    }
    if (step.hostRequirements !== undefined) {
      refuse('hostRequirements', [...path, 'hostRequirements'], 'hostRequirements');
    }
    const definitions = step.parameterSpace?.taskParameterDefinitions ?? [];
    for (const [number, { type }] of definitions.entries()) {
      if (type !== 'CHUNK[INT]') continue;
      const at = [...path, 'parameterSpace', 'taskParameterDefinitions', number, 'type'];
      refuse('chunks', at, 'the task parameter type CHUNK[INT]');
    }
  }
  return problems;
}
