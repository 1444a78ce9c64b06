import { documentKinds, isOtherKind, readSchemaKey, readVersion } from './document-kind.ts';
import { declaredExtensions, readExtensions } from './extensions.ts';
import { referencesOf } from './format-string.ts';
import { environmentLimitsOf, limitsOf, raisedLimitHint } from './limits.ts';
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
import type { TemplateValue } from './template-value.ts';
import { codePointLength } from './text-rules.ts';
import type { EnvironmentTemplate, JobTemplate } from './types.ts';
import { environmentNames, readEnvironment, readEnvironments } from './validate-environment.ts';
import { declaredNames, readJobParameters } from './validate-parameters.ts';
import { readSteps } from './validate-steps.ts';

/** A template, or every problem that keeps a document from being one. */
export interface Checked<T> {
  /** Undefined when there is any problem. */
  readonly template: T | undefined;
  readonly problems: ProblemList;
}

/** Applies every rule of job templates to a document. */
export function checkTemplate(value: TemplateValue): Checked<JobTemplate> {
  const extensions = declaredExtensions(value);
  const problems = new ProblemList();
  const validation: Validation = { problems, limits: limitsOf(extensions), extensions };
  const template = readTemplate(validation, value);
  return { template: problems.count === 0 ? template : undefined, problems };
}

/** Applies every rule of environment templates to a document. */
export function checkEnvironmentTemplate(value: TemplateValue): Checked<EnvironmentTemplate> {
  const extensions = declaredExtensions(value);
  const problems = new ProblemList();
  const validation: Validation = { problems, limits: environmentLimitsOf(extensions), extensions };
  const template = readEnvironmentTemplate(validation, value);
  return { template: problems.count === 0 ? template : undefined, problems };
}

function readTemplate(validation: Validation, value: TemplateValue): JobTemplate | undefined {
  const version = 'jobtemplate-2023-09';
  if (isOtherKind(validation, value, version)) return undefined;
  const map = readMap(validation, value, [], {
    what: documentKinds[version],
    required: ['specificationVersion', 'name', 'steps'],
    optional: ['$schema', 'extensions', 'description', 'parameterDefinitions', 'jobEnvironments'],
  });
  if (map === undefined) return undefined;
  readKey(map, 'specificationVersion', [], (item, at) =>
    readVersion(validation, item, at, version),
  );
  readSchemaKey(validation, map);
  const extensions = readKey(map, 'extensions', [], (item, at) =>
    readExtensions(validation, item, at),
  );
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
  const jobEnvironments = readKey(map, 'jobEnvironments', [], (item, at) =>
    readEnvironments(validation, item, at, jobParameters),
  );
  const taken = environmentNames(map.get('jobEnvironments'));
  const steps = readKey(map, 'steps', [], (item, at) =>
    readSteps(validation, item, at, jobParameters, taken),
  );
  if (name === undefined || steps === undefined) return undefined;
  const head = { specificationVersion: version, extensions, name, description } as const;
  return present({ ...head, parameterDefinitions, jobEnvironments, steps });
}

function readEnvironmentTemplate(
  validation: Validation,
  value: TemplateValue,
): EnvironmentTemplate | undefined {
  const version = 'environment-2023-09';
  if (isOtherKind(validation, value, version)) return undefined;
  const map = readMap(validation, value, [], {
    what: documentKinds[version],
    required: ['specificationVersion', 'environment'],
    optional: ['extensions', 'parameterDefinitions'],
  });
  if (map === undefined) return undefined;
  readKey(map, 'specificationVersion', [], (item, at) =>
    readVersion(validation, item, at, version),
  );
  const extensions = readKey(map, 'extensions', [], (item, at) =>
    readExtensions(validation, item, at),
  );
  const jobParameters = declaredNames(map.get('parameterDefinitions'));
  const parameterDefinitions = readKey(map, 'parameterDefinitions', [], (item, at) =>
    readJobParameters(validation, item, at),
  );
  const environment = readKey(map, 'environment', [], (item, at) =>
    readEnvironment(validation, item, at, jobParameters),
  );
  if (environment === undefined) return undefined;
  const head = { specificationVersion: version, extensions } as const;
  return present({ ...head, parameterDefinitions, environment });
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
    const maxHint = raisedLimitHint(validation.extensions, 'jobNameMax');
    return checkText(validation.problems, text, path, {
      what,
      min: 1,
      max,
      maxHint,
      control: 'none',
    })
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
