import { parseEnvironmentTemplate } from '@karst/shared/openjd/parse-environment.ts';
import { printPath } from '@karst/shared/openjd/problem.ts';
import { describe, expect, test } from 'vitest';
import { environmentTemplateWith } from './cases.ts';

describe('an environment template', () => {
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
