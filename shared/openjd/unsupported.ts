/**
 * What the specification has and this implementation refuses by name. Nothing here is ever
 * ignored: a job must not run without something its author asked for.
 */
const extensionKey = (key: string, extension: string): string =>
  `${key} belongs to the ${extension} extension, which is not supported yet`;

const simpleActions = Object.fromEntries(
  ['bash', 'cmd', 'node', 'powershell', 'python'].map((key) => [
    key,
    `${extensionKey(key, 'FEATURE_BUNDLE_1')}; use script.actions.onRun`,
  ]),
);

export const unsupportedRootKeys: Readonly<Record<string, string>> = {
  extensions: 'extensions are not supported yet',
  jobEnvironments: 'jobEnvironments is not supported yet',
};

export const unsupportedStepKeys: Readonly<Record<string, string>> = {
  stepEnvironments: 'stepEnvironments is not supported yet',
  hostRequirements: 'hostRequirements is not supported yet',
  let: extensionKey('let', 'EXPR'),
  ...simpleActions,
};

export const unsupportedScriptKeys: Readonly<Record<string, string>> = {
  let: extensionKey('let', 'EXPR'),
  ...simpleActions,
};

export const unsupportedFileKeys: Readonly<Record<string, string>> = {
  endOfLine: extensionKey('endOfLine', 'FEATURE_BUNDLE_1'),
};

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
  expressionTypes.map((type) => [type, extensionKey(`the parameter type ${type}`, 'EXPR')]),
);

export const unsupportedTaskParameterTypes: Readonly<Record<string, string>> = {
  'CHUNK[INT]': extensionKey('the task parameter type CHUNK[INT]', 'TASK_CHUNKING'),
};

/** Symbols that exist only with an extension. */
export const unsupportedSymbols: Readonly<Record<string, string>> = {
  'Job.Name': extensionKey('Job.Name', 'EXPR'),
  'Step.Name': extensionKey('Step.Name', 'EXPR'),
};

/** Why timeouts and notify periods must be numbers. */
export const numericFormatString =
  'a timeout as text belongs to the FEATURE_BUNDLE_1 extension, which is not supported yet';
