import type { Extension } from './extensions.ts';

/** What a 2023-09 template may hold. Lengths are in code points; extensions raise some. */
export interface Limits {
  readonly jobNameMax: number;
  readonly stepNameMax: number;
  readonly environmentNameMax: number;
  readonly identifierMax: number;
  readonly filenameMax: number;
  readonly parameterDefinitionsMax: number;
}

export const baseLimits: Limits = {
  jobNameMax: 128,
  stepNameMax: 64,
  environmentNameMax: 64,
  identifierMax: 64,
  filenameMax: 64,
  parameterDefinitionsMax: 50,
};

const featureBundle1Limits: Limits = {
  jobNameMax: 512,
  stepNameMax: 512,
  environmentNameMax: 512,
  identifierMax: 512,
  filenameMax: 256,
  parameterDefinitionsMax: 200,
};

/** The limits of a job template that asks for these extensions. */
export function limitsOf(extensions: ReadonlySet<Extension>): Limits {
  return extensions.has('FEATURE_BUNDLE_1') ? featureBundle1Limits : baseLimits;
}

/** Environment templates keep their number of parameters whatever they ask for. */
export function environmentLimitsOf(extensions: ReadonlySet<Extension>): Limits {
  const { parameterDefinitionsMax } = baseLimits;
  return { ...limitsOf(extensions), parameterDefinitionsMax };
}

/** What to add to a message about a limit that the template could have raised; else nothing. */
export function raisedLimitHint(
  extensions: ReadonlySet<Extension>,
  limit: Exclude<keyof Limits, 'parameterDefinitionsMax'>,
): string {
  if (extensions.has('FEATURE_BUNDLE_1')) return '';
  return ` (${featureBundle1Limits[limit]} with the FEATURE_BUNDLE_1 extension)`;
}

export const descriptionMax = 2048;
export const parameterValueMax = 1024;
export const taskParametersMax = 16;
export const rangeListMax = 1024;
export const taskParameterValueMax = 1024;
export const interfaceLabelMax = 64;
export const fileFiltersMax = 20;
export const filePatternMax = 20;
export const notifyPeriodMaxSeconds = 600;
export const environmentVariableNameMax = 256;
export const environmentVariableValueMax = 2048;
export const capabilityNameMax = 100;
export const attributeValueMax = 100;
export const attributeValuesMax = 50;
/** Amounts and attributes of a step together. */
export const hostRequirementsMax = 50;
