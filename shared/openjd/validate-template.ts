import { referencesOf } from './format-string.ts';
import { baseLimits } from './limits.ts';
import { suggestion } from './near-miss.ts';
import { ProblemList, type ProblemPath } from './problem.ts';
import {
  checkText,
  present,
  readDescription,
  readKey,
  readMap,
  readText,
  type Validation,
} from './reader.ts';
import { checkFormatString, checkLiteralControls, type Scope } from './scope.ts';
import { describe, isList, isMap, type TemplateMap, type TemplateValue } from './template-value.ts';
import { codePointLength, quote } from './text-rules.ts';
import type { JobTemplate } from './types.ts';
import { unsupportedRootKeys } from './unsupported.ts';
import { declaredNames, readJobParameters } from './validate-parameters.ts';
import { readSteps } from './validate-steps.ts';

export const templateVersion = 'jobtemplate-2023-09' as const;

/** Applies every rule to a document. The template is undefined when there is any problem. */
export function checkTemplate(value: TemplateValue): {
  template: JobTemplate | undefined;
  problems: ProblemList;
} {
  const problems = new ProblemList();
  const validation: Validation = { problems, limits: baseLimits };
  const template = readTemplate(validation, value);
  return { template: problems.count === 0 ? template : undefined, problems };
}

function readTemplate(validation: Validation, value: TemplateValue): JobTemplate | undefined {
  if (isMap(value) && isEnvironmentTemplate(value)) {
    validation.problems.add(
      ['specificationVersion'],
      'environment templates are not supported yet; expected a job template (jobtemplate-2023-09)',
      { found: describe(value.get('specificationVersion') ?? null), expected: templateVersion },
    );
    return undefined;
  }
  const map = readMap(validation, value, [], {
    what: 'a job template',
    required: ['specificationVersion', 'name', 'steps'],
    optional: ['$schema', 'description', 'parameterDefinitions'],
    unsupported: unsupportedRootKeys,
  });
  if (map === undefined) return undefined;
  readKey(map, 'specificationVersion', [], (item, at) => readVersion(validation, item, at));
  readKey(map, 'extensions', [], (item, at) => refuseExtensions(validation, item, at));
  const jobParameters = declaredNames(map.get('parameterDefinitions'));
  const name = readKey(map, 'name', [], (item, at) =>
    readJobName(validation, item, at, { kind: 'template', jobParameters }),
  );
  const description = readKey(map, 'description', [], (item, at) =>
    readDescription(validation, item, at),
  );
  const parameterDefinitions = readKey(map, 'parameterDefinitions', [], (item, at) =>
    readJobParameters(validation, item, at),
  );
  const steps = readKey(map, 'steps', [], (item, at) =>
    readSteps(validation, item, at, jobParameters),
  );
  if (name === undefined || steps === undefined) return undefined;
  const specificationVersion = templateVersion;
  return present({ specificationVersion, name, description, parameterDefinitions, steps });
}

function isEnvironmentTemplate(map: TemplateMap): boolean {
  const version = map.get('specificationVersion');
  return typeof version === 'string' && version.startsWith('environment-');
}

function readVersion({ problems }: Validation, value: TemplateValue, path: ProblemPath): undefined {
  if (value === templateVersion) return;
  const hint = typeof value === 'string' ? suggestion(value, [templateVersion]) : '';
  const found = describe(value);
  problems.add(path, `expected ${quote(templateVersion)}, found ${found}${hint}`, {
    expected: templateVersion,
    found,
  });
}

/** The key itself is refused already; this names each extension. */
function refuseExtensions(
  { problems }: Validation,
  value: TemplateValue,
  path: ProblemPath,
): undefined {
  if (!isList(value)) return;
  for (const [index, name] of value.entries()) {
    if (typeof name !== 'string') continue;
    const message = `the extension ${quote(name)} is not supported yet`;
    problems.add([...path, index], message, { found: name });
  }
}

function readJobName(
  validation: Validation,
  value: TemplateValue,
  path: ProblemPath,
  scope: Scope,
): string | undefined {
  const what = 'a job name';
  const text = readText(validation, value, path, { what, min: 1, control: 'any' });
  if (text === undefined) return undefined;
  const format = checkFormatString(validation, text, path, scope);
  if (format === undefined) return undefined;
  if (!checkLiteralControls(validation, format, path, what)) return undefined;
  const max = validation.limits.jobNameMax;
  if (referencesOf(format).length === 0) {
    return checkText(validation.problems, text, path, { what, min: 1, max, control: 'none' })
      ? text
      : undefined;
  }
  const literal = format.segments.reduce(
    (total, each) => total + (each.kind === 'literal' ? codePointLength(each.text) : 0),
    0,
  );
  if (literal <= max) return text;
  validation.problems.mismatch(path, `${what} of at most ${max} characters`, `${literal} or more`);
  return undefined;
}
