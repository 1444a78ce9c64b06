import { parseEnvironmentTemplate } from '@karst/shared/openjd/parse-environment.ts';
import { printPath } from '@karst/shared/openjd/problem.ts';
import { describe, expect, test } from 'vitest';
import {
  acceptedEnvironment,
  environmentTemplateWith,
  expectEnvironmentRefused,
} from '../cases.ts';

type Root = Record<string, unknown>;
const parameters = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ name: `P${index}`, type: 'INT' }));

describe('the root of an environment template', () => {
  test.each<[string, Root]>([
    ['the smallest', {}],
    ['parameters', { parameterDefinitions: parameters(1) }],
    ['50 parameters', { parameterDefinitions: parameters(50) }],
    ['extensions', { extensions: ['REDACTED_ENV_VARS', 'FEATURE_BUNDLE_1'] }],
    [
      'a parameter name of 512 characters with FEATURE_BUNDLE_1',
      {
        extensions: ['FEATURE_BUNDLE_1'],
        parameterDefinitions: [{ name: 'x'.repeat(512), type: 'INT' }],
      },
    ],
  ])('accepts %s', (_title, root) => {
    const template = acceptedEnvironment(environmentTemplateWith(root));
    expect(acceptedEnvironment(JSON.parse(JSON.stringify(template)))).toEqual(template);
  });

  test.each<[string, Root, string, string]>([
    [
      '51 parameters',
      { parameterDefinitions: parameters(51) },
      'parameterDefinitions',
      'at most 50',
    ],
    [
      '51 parameters also with FEATURE_BUNDLE_1',
      { extensions: ['FEATURE_BUNDLE_1'], parameterDefinitions: parameters(51) },
      'parameterDefinitions',
      'at most 50',
    ],
    ['no parameters', { parameterDefinitions: [] }, 'parameterDefinitions', 'at least 1'],
    ['no environment', { environment: undefined }, 'environment', 'needs the key "environment"'],
    [
      'no version',
      { specificationVersion: undefined },
      'specificationVersion',
      'needs the key "specificationVersion"',
    ],
    [
      'another version',
      { specificationVersion: 'environment-2024-01' },
      'specificationVersion',
      'did you mean "environment-2023-09"?',
    ],
    ['a name', { name: 'x' }, 'name', 'unknown key "name" in an environment template'],
    ['steps', { steps: [] }, 'steps', 'unknown key "steps"'],
    ['$schema', { $schema: 'x' }, '$schema', 'unknown key "$schema"'],
    ['jobEnvironments', { jobEnvironments: [] }, 'jobEnvironments', 'unknown key'],
    ['a list of environments', { environment: [] }, 'environment', 'an environment (a map)'],
    ['an empty list of extensions', { extensions: [] }, 'extensions', 'at least 1 of extensions'],
    [
      'an unsupported extension',
      { extensions: ['WRAP_ACTIONS'] },
      'extensions[0]',
      '"WRAP_ACTIONS" is not supported yet',
    ],
    [
      'two parameters of one name',
      { parameterDefinitions: [...parameters(1), ...parameters(1)] },
      'parameterDefinitions[1].name',
      'two job parameters are named "P0"',
    ],
    [
      'a default that does not fit',
      { parameterDefinitions: [{ name: 'P', type: 'INT', default: 1, minValue: 2 }] },
      'parameterDefinitions[0].default',
      'at least 2 (minValue)',
    ],
  ])('refuses %s', (_title, root, path, reason) => {
    expectEnvironmentRefused(environmentTemplateWith(root), path, reason);
  });

  test('text is read with line and column', () => {
    const source = `specificationVersion: environment-2023-09
environment:
  name: Conda
  variables:
    PATH: 5
  scripts: {}
`;
    const result = parseEnvironmentTemplate(source);
    expect(
      result.ok ? [] : result.error.map((each) => [each.line, each.column, printPath(each.path)]),
    ).toEqual([
      [5, 11, 'environment.variables.PATH'],
      [6, 3, 'environment.scripts'],
    ]);
  });

  test('JSON is read as JSON', () => {
    const source = JSON.stringify(environmentTemplateWith());
    expect(parseEnvironmentTemplate(source, 'json').ok).toBe(true);
    expect(parseEnvironmentTemplate('a: 1', 'json').ok).toBe(false);
  });
});
