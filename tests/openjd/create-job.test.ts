import { describe, expect, test } from 'vitest';
import { created, refused, type TemplateParts, type Values } from './creating.ts';

const parameter = (definition: Record<string, unknown>): TemplateParts => ({
  parameters: [{ name: 'P', ...definition }],
});
const ranged = (range: unknown, type = 'INT', more: unknown[] = []) => ({
  taskParameterDefinitions: [{ name: 'T', type, range }, ...more],
});
const range = 'steps[0].parameterSpace.taskParameterDefinitions[0].range';

describe('parameter values', () => {
  test.each<[string, Record<string, unknown>, Values, string]>([
    ['a default', { type: 'STRING', default: 'a' }, {}, 'a'],
    ['a value over the default', { type: 'STRING', default: 'a' }, { P: 'b' }, 'b'],
    ['empty text', { type: 'STRING', default: 'a' }, { P: '' }, ''],
    ['an integer as a number', { type: 'INT' }, { P: 5 }, '5'],
    ['an integer as text, canonical', { type: 'INT' }, { P: '007' }, '7'],
    ['the largest integer', { type: 'INT' }, { P: '9223372036854775807' }, '9223372036854775807'],
    ['an integer equal to an allowed one', { type: 'INT', allowedValues: ['02'] }, { P: 2 }, '2'],
    ['an integer with space around it', { type: 'INT' }, { P: ' 7\n' }, '7'],
    ['a float', { type: 'FLOAT' }, { P: 0.1 }, '0.1'],
    ['a float as text, as written', { type: 'FLOAT' }, { P: '3.500' }, '3.500'],
    ['an integer for a float', { type: 'FLOAT' }, { P: 2 }, '2'],
    ['a float on its bound', { type: 'FLOAT', minValue: 2 }, { P: '2.0' }, '2.0'],
    [
      'text of the greatest length in code points',
      { type: 'STRING', maxLength: 1 },
      { P: '🎬' },
      '🎬',
    ],
    ['a relative default path', { type: 'PATH', default: 'a/../b' }, {}, 'a/../b'],
    ['an empty default path', { type: 'PATH', default: '' }, {}, ''],
    [
      'an absolute path that was given',
      { type: 'PATH', default: 'x' },
      { P: '/data/x' },
      '/data/x',
    ],
  ])('%s is taken', (_title, definition, values, value) => {
    expect(created(parameter(definition), values).parameters.P?.value).toBe(value);
  });

  test.each<[string, Record<string, unknown>, Values, string]>([
    ['a missing value', { type: 'STRING' }, {}, 'has no default and was given no value'],
    [
      'a number for text',
      { type: 'STRING' },
      { P: 5 },
      "text, as the parameter's type is STRING, found the integer 5",
    ],
    ['text for an integer', { type: 'INT' }, { P: 'ten' }, 'an integer, found the text "ten"'],
    ['a fraction for an integer', { type: 'INT' }, { P: 1.5 }, 'an integer, found the number 1.5'],
    ['an inexact number', { type: 'INT' }, { P: 2 ** 60 }, 'write it in quotes'],
    ['an integer beyond int64', { type: 'INT' }, { P: '-9223372036854775809' }, 'an integer from'],
    ['text for a float', { type: 'FLOAT' }, { P: '1,5' }, 'a finite number, found the text "1,5"'],
    ['infinity', { type: 'FLOAT' }, { P: Number.POSITIVE_INFINITY }, 'a finite number'],
    [
      'a value below minValue',
      { type: 'INT', minValue: 1 },
      { P: 0 },
      'at least 1 (minValue), found 0',
    ],
    ['a value above maxValue', { type: 'FLOAT', maxValue: 1 }, { P: 1.01 }, 'at most 1 (maxValue)'],
    [
      'text that is too short',
      { type: 'STRING', minLength: 2 },
      { P: 'a' },
      'at least 2 characters (minLength), found 1 character',
    ],
    [
      'text that is too long',
      { type: 'STRING', maxLength: 2 },
      { P: 'abc' },
      'at most 2 characters (maxLength)',
    ],
    [
      'text beyond 1024 characters',
      { type: 'STRING' },
      { P: 'x'.repeat(1025) },
      'at most 1024 characters',
    ],
    ['half of a surrogate pair', { type: 'STRING' }, { P: 'a\ud800' }, 'half of a surrogate pair'],
    [
      'a value that is not allowed',
      { type: 'STRING', allowedValues: ['a', 'b'] },
      { P: 'c' },
      'one of the allowed values "a", "b", found "c"',
    ],
    [
      'an absolute default path',
      { type: 'PATH', default: '/data' },
      {},
      "relative to the template's directory",
    ],
    [
      'a Windows default path',
      { type: 'PATH', default: 'C:\\data' },
      {},
      "relative to the template's directory",
    ],
    [
      'a default path that walks out',
      { type: 'PATH', default: 'a/../../b' },
      {},
      "leaves the template's directory",
    ],
  ])('%s is refused', (_title, definition, values, reason) => {
    expect(refused(parameter(definition), values)).toEqual([expect.stringContaining(reason)]);
    expect(refused(parameter(definition), values)[0]).toMatch(/^parameters\.P: /);
  });

  test('an unknown parameter is refused with the name it is near', () => {
    const parts = { parameters: [{ name: 'Frames', type: 'STRING', default: '1' }] };
    expect(refused(parts, { Frmaes: '1' })).toEqual([
      'parameters.Frmaes: the template has no parameter "Frmaes"; did you mean "Frames"? (expected Frames)',
    ]);
    expect(refused({}, { toString: 'x' })).toEqual([
      expect.stringContaining('no parameter "toString"'),
    ]);
  });

  test('all problems of all values are reported', () => {
    const parts = { parameters: ['A', 'B', 'C'].map((name) => ({ name, type: 'INT' })) };
    expect(refused(parts, { A: 'x', C: 1.5, D: 1 })).toHaveLength(4);
  });

  test('PATH parameters carry how they are used; others carry only a value', () => {
    const parts = {
      parameters: [
        { name: 'A', type: 'PATH', default: 'a' },
        { name: 'B', type: 'PATH', default: 'b', objectType: 'FILE', dataFlow: 'OUT' },
        { name: 'C', type: 'INT', default: 1 },
      ],
    };
    expect(created(parts).parameters).toEqual({
      A: { type: 'PATH', value: 'a', dataFlow: 'NONE', objectType: 'DIRECTORY' },
      B: { type: 'PATH', value: 'b', dataFlow: 'OUT', objectType: 'FILE' },
      C: { type: 'INT', value: '1' },
    });
  });
});

describe('format strings are resolved and checked again', () => {
  const text = parameter({ type: 'STRING' });

  test('the job name', () => {
    const parts = { ...text, root: { name: 'shot {{Param.P}} {{RawParam.P}}' } };
    expect(created(parts, { P: '10' }).name).toBe('shot 10 10');
    expect(refused(parts, { P: 'x'.repeat(100) })).toEqual([
      'name: expected a job name of at most 128 characters, found 206 characters',
    ]);
    expect(refused(parts, { P: 'a\nb' })).toEqual([
      expect.stringContaining('name: expected a job name without control characters, found U+000A'),
    ]);
    expect(refused({ ...text, root: { name: '{{Param.P}}' } }, { P: '' })).toEqual([
      expect.stringContaining('name: expected a job name of at least 1 character'),
    ]);
  });

  test('values are not resolved a second time', () => {
    const parts = { ...text, root: { name: '{{Param.P}}' } };
    expect(created(parts, { P: '{{Param.P}}' }).name).toBe('{{Param.P}}');
  });

  test.each<[string, unknown, string, Values, string[]]>([
    ['a range', '1-{{Param.P}}', 'INT', { P: '3' }, ['1', '2', '3']],
    [
      'a whole range from a parameter',
      '{{Param.P}}',
      'INT',
      { P: '1,5,9-10' },
      ['1', '5', '9', '10'],
    ],
    ['integers of a list', ['{{Param.P}}', 2], 'INT', { P: '-7' }, ['-7', '2']],
    ['floats of a list', ['{{Param.P}}.5'], 'FLOAT', { P: '3' }, ['3.5']],
    ['strings of a list', ['a{{Param.P}}', 'b'], 'STRING', { P: '!' }, ['a!', 'b']],
  ])('%s', (_title, given, type, values, wanted) => {
    const step = created({ ...text, space: ranged(given, type) }, values).steps[0];
    const first = step?.parameterSpace?.parameters[0];
    expect(step?.taskCount).toBe(wanted.length);
    if (first !== undefined && 'values' in first) expect(first.values).toEqual(wanted);
  });

  test.each<[string, unknown, string, Values, string]>([
    [
      'a range that turns out to descend',
      '10-{{Param.P}}',
      'INT',
      { P: '3' },
      `${range}: "10-3" counts down`,
    ],
    [
      'a range that turns out to overlap',
      '1-5,{{Param.P}}',
      'INT',
      { P: '3' },
      `${range}: "1-5" and "3" overlap`,
    ],
    [
      'a range that turns out to be words',
      '{{Param.P}}',
      'INT',
      { P: 'all' },
      `${range}: expected a range such as`,
    ],
    [
      'a range that turns out to be empty',
      '{{Param.P}}',
      'INT',
      { P: '' },
      `${range}: expected a range such as`,
    ],
    [
      'an integer that is none',
      ['1', '{{Param.P}}'],
      'INT',
      { P: '1-2' },
      `${range}[1]: expected an integer`,
    ],
    [
      'a float that is none',
      ['{{Param.P}}'],
      'FLOAT',
      { P: 'x' },
      `${range}[0]: expected a finite number`,
    ],
    [
      'a value that is empty',
      ['{{Param.P}}'],
      'PATH',
      { P: '' },
      `${range}[0]: expected a value of at least 1 character`,
    ],
    [
      'a value that is too long',
      ['{{Param.P}}{{Param.P}}'],
      'PATH',
      { P: 'x'.repeat(600) },
      `${range}[0]: expected a value of at most 1024 characters, found 1200`,
    ],
  ])('%s is refused', (_title, given, type, values, wanted) => {
    expect(refused({ ...text, space: ranged(given, type) }, values)).toEqual([
      expect.stringContaining(wanted),
    ]);
  });

  test('lengths inside an association that only the values tell', () => {
    const space = {
      ...ranged('1-{{Param.P}}', 'INT', [{ name: 'U', type: 'INT', range: '1-3' }]),
      combination: '(T, U)',
    };
    expect(created({ ...text, space }, { P: '3' }).steps[0]?.taskCount).toBe(3);
    expect(refused({ ...text, space }, { P: '4' })).toEqual([
      'steps[0].parameterSpace.combination: inside ( , ) every part needs the same number of values, but T has 4 and U has 3',
    ]);
  });

  test('a command that comes out empty, and a NUL that no program can be given', () => {
    expect(refused({ ...text, run: { command: '{{Param.P}}' } }, { P: '' })).toEqual([
      'steps[0].script.actions.onRun.command: expected a command of at least 1 character, found empty text',
    ]);
    expect(refused({ ...text, run: { args: ['-x', '{{Param.P}}'] } }, { P: 'a\0b' })).toEqual([
      expect.stringContaining(
        'steps[0].script.actions.onRun.args[1]: {{Param.P}} puts U+0000 here',
      ),
    ]);
    expect(refused({ ...text, run: { args: ['{{Param.P}}'] } }, { P: 'two\nlines' })).toEqual([
      '(created)',
    ]);
  });

  test('a refused value is reported once, not wherever it is used', () => {
    const parts = {
      ...parameter({ type: 'INT' }),
      root: { name: '{{Param.P}}' },
      space: ranged('1-{{Param.P}}'),
    };
    expect(refused(parts, { P: 'x' })).toHaveLength(1);
  });
});
