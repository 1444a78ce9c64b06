import { describe, expect, test } from 'vitest';
import {
  type AcceptedCase,
  accepted,
  acceptTable,
  type RefusedCase,
  refuseTable,
  templateWith,
} from './cases.ts';

const at = 'parameterDefinitions[0]';
type Definition = Record<string, unknown>;

const accepts = (title: string, definition: Definition): AcceptedCase => [
  title,
  { parameters: [{ name: 'P', ...definition }] },
];
const refuses = (
  title: string,
  definition: Definition,
  path: string,
  reason: string,
): RefusedCase => [title, { parameters: [{ name: 'P', ...definition }] }, `${at}${path}`, reason];

describe('every job parameter', () => {
  acceptTable([
    accepts('a name of 64 characters', { name: 'x'.repeat(64), type: 'INT' }),
    accepts('a name that starts with an underscore', { name: '_1', type: 'INT' }),
    accepts('a name that is also a property of every object', { name: 'constructor', type: 'INT' }),
    accepts('a description', { type: 'INT', description: 'How many.' }),
  ]);
  refuseTable([
    refuses(
      'a name of 65 characters',
      { name: 'x'.repeat(65), type: 'INT' },
      '.name',
      'at most 64',
    ),
    refuses('a name that starts with a digit', { name: '1a', type: 'INT' }, '.name', 'found "1a"'),
    refuses('a name with a dash', { name: 'a-b', type: 'INT' }, '.name', 'found "a-b"'),
    refuses('a name with an accent', { name: 'é', type: 'INT' }, '.name', 'letters A-Z a-z'),
    refuses('an empty name', { name: '', type: 'INT' }, '.name', 'at least 1 character'),
    refuses('a name that ends with a line break', { name: 'a\n', type: 'INT' }, '.name', 'a\\n'),
    refuses('the name __proto__', { name: '__proto__', type: 'INT' }, '.name', 'reserved'),
    refuses('a missing name', { name: undefined, type: 'INT' }, '.name', 'needs the key "name"'),
    refuses('a missing type', {}, '.type', 'needs the key "type"'),
    refuses('an unknown type', { type: 'INTEGER' }, '.type', 'one of STRING, PATH, INT, FLOAT'),
    refuses('a type in lower case, suggesting', { type: 'int' }, '.type', 'did you mean "INT"?'),
    refuses(
      'a definition that has minValue on STRING',
      { type: 'STRING', minValue: 1 },
      '.minValue',
      'unknown key "minValue" in a parameter definition of type STRING',
    ),
    refuses('minLength on INT', { type: 'INT', minLength: 1 }, '.minLength', 'unknown key'),
    refuses(
      'objectType on STRING',
      { type: 'STRING', objectType: 'FILE' },
      '.objectType',
      'unknown key',
    ),
    refuses(
      'an empty allowedValues',
      { type: 'INT', allowedValues: [] },
      '.allowedValues',
      'at least 1',
    ),
    refuses(
      'allowedValues that is text',
      { type: 'INT', allowedValues: '1' },
      '.allowedValues',
      'a list of allowed values',
    ),
    ['a definition that is text', { parameters: ['P'] }, at, 'a parameter definition (a map)'],
    [
      'two parameters of one name',
      {
        parameters: [
          { name: 'P', type: 'INT' },
          { name: 'P', type: 'FLOAT' },
        ],
      },
      'parameterDefinitions[1].name',
      'two job parameters are named "P"',
    ],
  ]);
});

describe('STRING and PATH parameters', () => {
  acceptTable([
    accepts('an empty default', { type: 'STRING', default: '' }),
    accepts('a default of 1024 code points', { type: 'STRING', default: '🎬'.repeat(1024) }),
    accepts('minLength 0', { type: 'STRING', minLength: 0 }),
    accepts('equal minLength and maxLength', { type: 'STRING', minLength: 2, maxLength: 2 }),
    accepts('lengths counted in code points', { type: 'STRING', maxLength: 2, default: '🎬🎬' }),
    accepts('a default among allowedValues', {
      type: 'STRING',
      default: 'a',
      allowedValues: ['a'],
    }),
    accepts('control characters in values', { type: 'STRING', default: 'a\nb' }),
    accepts('a PATH with everything', {
      type: 'PATH',
      default: 'scene.blend',
      objectType: 'FILE',
      dataFlow: 'INOUT',
      minLength: 1,
      maxLength: 100,
      allowedValues: ['scene.blend'],
    }),
  ]);
  refuseTable([
    refuses(
      'a default that is a number',
      { type: 'STRING', default: 1 },
      '.default',
      'found the integer 1',
    ),
    refuses(
      'a default that is a boolean',
      { type: 'STRING', default: true },
      '.default',
      'true (a boolean); put it in quotes',
    ),
    refuses(
      'a default of 1025 characters',
      { type: 'STRING', default: 'x'.repeat(1025) },
      '.default',
      '1025 characters',
    ),
    refuses(
      'a default below minLength',
      { type: 'STRING', default: 'a', minLength: 2 },
      '.default',
      'minLength',
    ),
    refuses(
      'a default above maxLength',
      { type: 'STRING', default: 'abc', maxLength: 2 },
      '.default',
      'maxLength',
    ),
    refuses(
      'a default that is not allowed',
      { type: 'STRING', default: 'c', allowedValues: ['a', 'b'] },
      '.default',
      'one of the allowed values "a", "b", found "c"',
    ),
    refuses(
      'an allowed value below minLength',
      { type: 'STRING', allowedValues: ['ab', 'a'], minLength: 2 },
      '.allowedValues[1]',
      'minLength',
    ),
    refuses(
      'an allowed value that is a number',
      { type: 'STRING', allowedValues: ['a', 1] },
      '.allowedValues[1]',
      'found the integer 1',
    ),
    refuses(
      'a negative minLength',
      { type: 'STRING', minLength: -1 },
      '.minLength',
      'an integer of 0 or more',
    ),
    refuses(
      'a minLength that is text',
      { type: 'STRING', minLength: '1' },
      '.minLength',
      'found the text "1"',
    ),
    refuses(
      'a fractional maxLength',
      { type: 'STRING', maxLength: 1.5 },
      '.maxLength',
      'the number 1.5',
    ),
    refuses(
      'maxLength below minLength',
      { type: 'STRING', minLength: 3, maxLength: 2 },
      '.maxLength',
      'at least minLength 3',
    ),
    refuses(
      'an unknown objectType',
      { type: 'PATH', objectType: 'LINK' },
      '.objectType',
      'one of FILE, DIRECTORY',
    ),
    refuses(
      'an unknown dataFlow',
      { type: 'PATH', dataFlow: 'in' },
      '.dataFlow',
      'did you mean "IN"?',
    ),
  ]);
});

describe('INT and FLOAT parameters', () => {
  acceptTable([
    accepts('a default as text', { type: 'INT', default: '-12' }),
    accepts('the whole of int64', {
      type: 'INT',
      minValue: '-9223372036854775808',
      maxValue: '9223372036854775807',
    }),
    accepts('text and numbers among allowedValues', {
      type: 'INT',
      allowedValues: [1, '2'],
      default: '1',
    }),
    accepts('a FLOAT default as an integer', { type: 'FLOAT', default: 3 }),
    accepts('a FLOAT default as text with an exponent', { type: 'FLOAT', default: '-1.5e-3' }),
    accepts('FLOAT values compared by value', {
      type: 'FLOAT',
      default: '1.50',
      allowedValues: [1.5],
    }),
    accepts('equal bounds', { type: 'FLOAT', minValue: 1, maxValue: '1.0', default: 1 }),
  ]);
  refuseTable([
    refuses('a boolean', { type: 'INT', default: true }, '.default', 'an integer, found true'),
    refuses(
      'a fraction',
      { type: 'INT', default: 1.5 },
      '.default',
      'an integer, found the number 1.5',
    ),
    refuses(
      'text that is a fraction',
      { type: 'INT', default: '1.5' },
      '.default',
      'an integer, found the text "1.5"',
    ),
    refuses('text with spaces', { type: 'INT', default: ' 1' }, '.default', 'an integer'),
    refuses('hexadecimal text', { type: 'INT', default: '0x10' }, '.default', 'an integer'),
    refuses('text with underscores', { type: 'INT', default: '1_000' }, '.default', 'an integer'),
    refuses(
      'one more than int64',
      { type: 'INT', default: '9223372036854775808' },
      '.default',
      'to 9223372036854775807',
    ),
    refuses(
      'one less than int64',
      { type: 'INT', default: '-9223372036854775809' },
      '.default',
      'from -9223372036854775808',
    ),
    refuses(
      'a JSON number too large to be exact',
      { type: 'INT', default: 1e18 },
      '.default',
      'write it in quotes',
    ),
    refuses(
      'a default below minValue',
      { type: 'INT', default: 1, minValue: 2 },
      '.default',
      'at least 2 (minValue)',
    ),
    refuses(
      'a default above maxValue, exactly',
      { type: 'INT', default: '9223372036854775807', maxValue: '9223372036854775806' },
      '.default',
      '(maxValue)',
    ),
    refuses(
      'a default that is not allowed',
      { type: 'INT', default: 3, allowedValues: [1, 2] },
      '.default',
      'one of the allowed values "1", "2"',
    ),
    refuses(
      'an allowed value out of bounds',
      { type: 'INT', allowedValues: [1, 9], maxValue: 5 },
      '.allowedValues[1]',
      'at most 5',
    ),
    refuses(
      'maxValue below minValue',
      { type: 'INT', minValue: 2, maxValue: 1 },
      '.maxValue',
      'at least minValue 2',
    ),
    refuses('a fractional minValue', { type: 'INT', minValue: 0.5 }, '.minValue', 'an integer'),
    refuses(
      'a FLOAT that is text',
      { type: 'FLOAT', default: 'fast' },
      '.default',
      'a finite number, found the text "fast"',
    ),
    refuses('NaN', { type: 'FLOAT', default: 'nan' }, '.default', 'a finite number'),
    refuses(
      'a FLOAT beyond a double',
      { type: 'FLOAT', default: '1e400' },
      '.default',
      'a finite number',
    ),
    refuses(
      'a FLOAT below minValue',
      { type: 'FLOAT', default: 0.5, minValue: 1 },
      '.default',
      'at least 1',
    ),
  ]);

  test('keeps integers exactly, in canonical text', () => {
    const template = accepted(
      templateWith({ parameters: [{ name: 'P', type: 'INT', default: '+0123', minValue: -5 }] }),
    );
    expect(template.parameterDefinitions).toEqual([
      { name: 'P', type: 'INT', default: '123', minValue: '-5' },
    ]);
  });
});

describe('userInterface', () => {
  acceptTable([
    accepts('a control with labels', {
      type: 'STRING',
      userInterface: { control: 'LINE_EDIT', label: 'Name', groupLabel: 'Main' },
    }),
    accepts('file filters', {
      type: 'PATH',
      objectType: 'FILE',
      userInterface: {
        fileFilters: [{ label: 'All', patterns: ['*'] }],
        fileFilterDefault: { label: 'All', patterns: ['*'] },
      },
    }),
    accepts('decimals and step', {
      type: 'FLOAT',
      userInterface: { decimals: 2, singleStepDelta: 0.5 },
    }),
    accepts('labels without a control', { type: 'INT', userInterface: { label: 'Frames' } }),
  ]);
  refuseTable([
    refuses(
      'a control of another type',
      { type: 'INT', userInterface: { control: 'LINE_EDIT' } },
      '.userInterface.control',
      'one of SPIN_BOX',
    ),
    refuses(
      'an unknown key',
      { type: 'INT', userInterface: { colour: 'red' } },
      '.userInterface.colour',
      'unknown key "colour"',
    ),
    refuses(
      'decimals on INT',
      { type: 'INT', userInterface: { decimals: 2 } },
      '.userInterface.decimals',
      'unknown key',
    ),
    refuses(
      'an empty label',
      { type: 'INT', userInterface: { label: '' } },
      '.userInterface.label',
      'at least 1',
    ),
    refuses(
      'a label of 65 characters',
      { type: 'INT', userInterface: { groupLabel: 'x'.repeat(65) } },
      '.userInterface.groupLabel',
      'at most 64',
    ),
    refuses('text', { type: 'INT', userInterface: 'SPIN_BOX' }, '.userInterface', '(a map)'),
  ]);
});
