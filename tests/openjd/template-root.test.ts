import { parseTemplate, validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import { describe, expect, test } from 'vitest';
import { accepted, acceptTable, expectRefused, refuseTable, templateWith } from './cases.ts';

const long = (length: number) => 'x'.repeat(length);

describe('the root of a template', () => {
  acceptTable([
    ['the smallest template', {}],
    ['a $schema, which is ignored', { root: { $schema: 'https://example.org/schema.json' } }],
    ['a description with line breaks and tabs', { root: { description: 'a\n\tb\r\n' } }],
    ['a description of 2048 characters', { root: { description: long(2048) } }],
    ['a name of 128 characters', { root: { name: long(128) } }],
    ['a name of 128 code points outside the BMP', { root: { name: '🎬'.repeat(128) } }],
    [
      'a name with a reference',
      { root: { name: 'shot {{Param.Shot}}' }, parameters: [{ name: 'Shot', type: 'STRING' }] },
    ],
  ]);

  refuseTable([
    ['a name of 129 characters', { root: { name: long(129) } }, 'name', 'at most 128 characters'],
    ['an empty name', { root: { name: '' } }, 'name', 'at least 1 character'],
    ['a name with a control character', { root: { name: 'a\u0007' } }, 'name', 'U+0007'],
    ['a name with a line break', { root: { name: 'a\nb' } }, 'name', 'U+000A'],
    [
      'a name that is a number',
      { root: { name: 5 } },
      'name',
      'found the integer 5; put it in quotes',
    ],
    ['a name that is null', { root: { name: null } }, 'name', 'found nothing (null)'],
    [
      'a name whose literal part is too long',
      {
        root: { name: `${long(129)}{{Param.Shot}}` },
        parameters: [{ name: 'Shot', type: 'STRING' }],
      },
      'name',
      '129 or more',
    ],
    ['an empty description', { root: { description: '' } }, 'description', 'at least 1 character'],
    [
      'a description of 2049 characters',
      { root: { description: long(2049) } },
      'description',
      '2049',
    ],
    ['a description with BEL', { root: { description: '\u0007' } }, 'description', 'U+0007'],
    ['a description that is a list', { root: { description: [] } }, 'description', 'an empty list'],
    ['a $schema that is no text', { root: { $schema: 5 } }, '$schema', 'found the integer 5'],
    ['a missing name', { root: { name: undefined } }, 'name', 'needs the key "name"'],
    ['missing steps', { root: { steps: undefined } }, 'steps', 'needs the key "steps"'],
    ['an empty list of steps', { root: { steps: [] } }, 'steps', 'at least 1 of steps'],
    [
      'steps that are a map',
      { root: { steps: { a: 1 } } },
      'steps',
      'a list of steps, found a map',
    ],
    [
      'a step that is text',
      { root: { steps: ['a'] } },
      'steps[0]',
      'a step (a map), found the text "a"',
    ],
    [
      'a missing specificationVersion',
      { root: { specificationVersion: undefined } },
      'specificationVersion',
      'needs the key "specificationVersion"',
    ],
    [
      'another specificationVersion',
      { root: { specificationVersion: 'jobtemplate-2024-01' } },
      'specificationVersion',
      'did you mean "jobtemplate-2023-09"?',
    ],
    [
      'a misspelt key, suggesting the right one',
      { root: { parametersDefinitions: [] } },
      'parametersDefinitions',
      'did you mean "parameterDefinitions"?',
    ],
    [
      'a key in the wrong case',
      { root: { Description: 'x' } },
      'Description',
      'did you mean "description"?',
    ],
    [
      'an unknown key without a near one',
      { root: { zzzzzzzz: 1 } },
      'zzzzzzzz',
      'unknown key "zzzzzzzz"',
    ],
    ['an empty list of parameters', { parameters: [] }, 'parameterDefinitions', 'at least 1'],
    [
      '51 parameters',
      { parameters: Array.from({ length: 51 }, (_, i) => ({ name: `P${i}`, type: 'INT' })) },
      'parameterDefinitions',
      'at most 50 of parameter definitions, found 51',
    ],
  ]);

  test.each([
    ['null', null, 'nothing (null)'],
    ['text', 'hello', 'the text "hello"'],
    ['a list', [1], 'a list'],
    ['a boolean', true, 'true (a boolean)'],
  ])('refuses a root that is %s', (_title, value, found) => {
    expectRefused(value, '(root)', `expected a job template (a map), found ${found}`);
  });

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
