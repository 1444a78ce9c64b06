/** What a base 2023-09 template may hold. Lengths are in code points; extensions raise some. */
export interface Limits {
  readonly jobNameMax: number;
  readonly stepNameMax: number;
  readonly identifierMax: number;
  readonly filenameMax: number;
  readonly parameterDefinitionsMax: number;
}

export const baseLimits: Limits = {
  jobNameMax: 128,
  stepNameMax: 64,
  identifierMax: 64,
  filenameMax: 64,
  parameterDefinitionsMax: 50,
};

export const descriptionMax = 2048;
export const parameterValueMax = 1024;
export const taskParametersMax = 16;
export const rangeListMax = 1024;
export const taskParameterValueMax = 1024;
export const interfaceLabelMax = 64;
export const notifyPeriodMaxSeconds = 600;
