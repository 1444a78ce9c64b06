/**
 * What the specification has and this implementation refuses by name. Nothing here is ever
 * ignored: a job must not run without something its author asked for.
 */
const expressions = (what: string): string =>
  `${what} belongs to the EXPR extension, which is not supported yet`;

const wrapActions = (what: string): string =>
  `${what} belongs to the WRAP_ACTIONS extension, which is not supported yet`;

export const unsupportedStepKeys: Readonly<Record<string, string>> = { let: expressions('let') };

/** Of scripts of steps and environments, and of simple actions. */
export const unsupportedScriptKeys: Readonly<Record<string, string>> = { let: expressions('let') };

export const unsupportedEnvironmentActions: Readonly<Record<string, string>> = Object.fromEntries(
  ['onWrapEnvEnter', 'onWrapTaskRun', 'onWrapEnvExit'].map((key) => [key, wrapActions(key)]),
);

const expressionTypes = [
  'BOOL',
  'RANGE_EXPR',
  'LIST[STRING]',
  'LIST[PATH]',
  'LIST[INT]',
  'LIST[FLOAT]',
  'LIST[BOOL]',
  'LIST[LIST[INT]]',
];

export const unsupportedJobParameterTypes: Readonly<Record<string, string>> = Object.fromEntries(
  expressionTypes.map((type) => [type, expressions(`the parameter type ${type}`)]),
);

/** Symbols that exist only with an extension. */
export const unsupportedSymbols: Readonly<Record<string, string>> = {
  'Job.Name': expressions('Job.Name'),
  'Step.Name': expressions('Step.Name'),
};
