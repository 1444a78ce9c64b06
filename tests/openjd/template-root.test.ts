import { parseTemplate, validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import { describe, expect, test } from 'vitest';
import { accepted, expectRefused, templateWith } from './cases.ts';

describe('the root of a template', () => {
  test('refuses a value that JSON cannot carry', () => {
    expectRefused(() => 1, '(root)', 'a function');
  });

  test('refuses data nested beyond 100 levels', () => {
    let value: unknown = 'x';
    for (let depth = 0; depth < 150; depth++) value = [value];
    const result = validateTemplate(value);
    expect(result.ok ? [] : result.error.map(({ message }) => message)).toEqual([
      'the document nests more than 100 levels deep',
    ]);
  });

  test('reports every problem of a file at once, each at its own path', () => {
    const result = validateTemplate({
      specificationVersion: 'jobtemplate-2023-09',
      nam: 'x',
      parameterDefinitions: [{ name: '1x', type: 'INT', default: 1.5 }],
      steps: [{ name: '', script: { actions: { onRun: { command: '', timeout: 0 } } } }],
    });
    expect(result.ok ? [] : result.error.map(({ path }) => path.join('.')).toSorted()).toEqual([
      'nam',
      'name',
      'parameterDefinitions.0.default',
      'parameterDefinitions.0.name',
      'steps.0.name',
      'steps.0.script.actions.onRun.command',
      'steps.0.script.actions.onRun.timeout',
    ]);
  });

  test('keeps 200 problems of a file that has more', () => {
    const root = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`key${i}`, i]));
    const result = validateTemplate(templateWith({ root }));
    expect(result.ok ? 0 : result.error.length).toBe(200);
  });

  test('a validated template is plain JSON that validates to itself', () => {
    const template = accepted(
      templateWith({
        parameters: [
          { name: 'A', type: 'INT', default: 3, minValue: '-5', allowedValues: [3, '4'] },
          { name: 'B', type: 'FLOAT', default: 1.5 },
          { name: 'C', type: 'PATH', objectType: 'FILE', dataFlow: 'OUT', default: 'x' },
        ],
        space: { taskParameterDefinitions: [{ name: 'F', type: 'INT', range: [1, '2'] }] },
        run: { args: ['{{Task.Param.F}}'], timeout: 5, cancelation: { mode: 'TERMINATE' } },
      }),
    );
    expect(accepted(JSON.parse(JSON.stringify(template)))).toEqual(template);
  });

  test('the same template as text and as data is the same', () => {
    const value = templateWith({ parameters: [{ name: 'A', type: 'INT', default: 3 }] });
    const parsed = parseTemplate(JSON.stringify(value), 'json');
    expect(parsed).toEqual({ ok: true, value: { template: accepted(value) } });
  });
});
