import { describe } from 'vitest';
import { type AcceptedCase, acceptTable, type RefusedCase, refuseTable } from '../cases.ts';

const at = 'parameterDefinitions[0].userInterface';
type Definition = Record<string, unknown>;
const withUi = (definition: Definition, userInterface: unknown) => ({
  parameters: [{ name: 'P', ...definition, userInterface }],
});
const accepts = (title: string, definition: Definition, ui: unknown): AcceptedCase => [
  title,
  withUi(definition, ui),
];
const refuses = (
  title: string,
  definition: Definition,
  ui: unknown,
  path: string,
  reason: string,
): RefusedCase => [title, withUi(definition, ui), `${at}${path}`, reason];

const text = { type: 'STRING' };
const choice = { type: 'STRING', allowedValues: ['a', 'b'] };
const box = (...allowedValues: string[]) => ({ type: 'STRING', allowedValues });
const numbers: [string, Definition, Definition][] = [
  ['INT', { type: 'INT' }, { type: 'INT', allowedValues: [1, 2] }],
  ['FLOAT', { type: 'FLOAT' }, { type: 'FLOAT', allowedValues: [1.5] }],
];

describe('controls of STRING', () => {
  acceptTable([
    accepts('none at all', text, {}),
    accepts('LINE_EDIT', text, { control: 'LINE_EDIT' }),
    accepts('MULTILINE_EDIT', text, { control: 'MULTILINE_EDIT' }),
    accepts('DROPDOWN_LIST', choice, { control: 'DROPDOWN_LIST' }),
    accepts('HIDDEN without a choice', text, { control: 'HIDDEN' }),
    accepts('HIDDEN with a choice', choice, { control: 'HIDDEN' }),
    ...[
      ['true', 'false'],
      ['False', 'TRUE'],
      ['yes', 'no'],
      ['No', 'Yes'],
      ['on', 'off'],
      ['OFF', 'on'],
      ['1', '0'],
      ['0', '1'],
    ].map((pair) =>
      accepts(`CHECK_BOX of ${pair.join(' and ')}`, box(...pair), { control: 'CHECK_BOX' }),
    ),
  ]);
  refuseTable([
    refuses(
      'LINE_EDIT with a choice',
      choice,
      { control: 'LINE_EDIT' },
      '.control',
      'LINE_EDIT needs a parameter without allowedValues',
    ),
    refuses(
      'MULTILINE_EDIT with a choice',
      choice,
      { control: 'MULTILINE_EDIT' },
      '.control',
      'without allowedValues',
    ),
    refuses(
      'DROPDOWN_LIST without a choice',
      text,
      { control: 'DROPDOWN_LIST' },
      '.control',
      'DROPDOWN_LIST needs allowedValues',
    ),
    refuses(
      'CHECK_BOX without a choice',
      text,
      { control: 'CHECK_BOX' },
      '.control',
      'CHECK_BOX needs allowedValues',
    ),
    ...[
      ['true', 'no'],
      ['true'],
      ['a', 'b'],
      ['true', 'false', 'maybe'],
      ['true', 'true'],
      ['1', '0', '1'],
    ].map((values) =>
      refuses(
        `CHECK_BOX of ${values.join(', ')}`,
        box(...values),
        { control: 'CHECK_BOX' },
        '.control',
        'true and false, yes and no',
      ),
    ),
    refuses(
      'SPIN_BOX',
      text,
      { control: 'SPIN_BOX' },
      '.control',
      'one of LINE_EDIT, MULTILINE_EDIT',
    ),
    refuses(
      'CHOOSE_DIRECTORY',
      text,
      { control: 'CHOOSE_DIRECTORY' },
      '.control',
      'one of LINE_EDIT',
    ),
    refuses('lower case', text, { control: 'line_edit' }, '.control', 'did you mean "LINE_EDIT"?'),
    refuses('null', text, { control: null }, '.control', 'nothing (null)'),
    refuses('fileFilters', text, { fileFilters: [] }, '.fileFilters', 'unknown key'),
    refuses('singleStepDelta', text, { singleStepDelta: 1 }, '.singleStepDelta', 'unknown key'),
    refuses('a list', text, [], '', '(a map), found an empty list'),
    refuses('null for userInterface', text, null, '', '(a map), found nothing (null)'),
  ]);
});

describe('labels', () => {
  acceptTable(
    ['label', 'groupLabel'].map((key) =>
      accepts(`a ${key} of 64 code points`, text, { [key]: '🎬'.repeat(64) }),
    ),
  );
  refuseTable(
    ['label', 'groupLabel'].flatMap((key) => [
      refuses(`an empty ${key}`, text, { [key]: '' }, `.${key}`, 'at least 1 character'),
      refuses(
        `a ${key} of 65 characters`,
        text,
        { [key]: 'x'.repeat(65) },
        `.${key}`,
        'at most 64',
      ),
      refuses(`a ${key} with a line break`, text, { [key]: 'a\nb' }, `.${key}`, 'U+000A'),
      refuses(`a ${key} that is a number`, text, { [key]: 5 }, `.${key}`, 'put it in quotes'),
    ]),
  );
});

describe.each(numbers)('controls of %s', (type, free, limited) => {
  acceptTable([
    accepts('SPIN_BOX', free, { control: 'SPIN_BOX' }),
    accepts('DROPDOWN_LIST', limited, { control: 'DROPDOWN_LIST' }),
    accepts('HIDDEN', free, { control: 'HIDDEN' }),
    accepts('a step', free, { singleStepDelta: 2 }),
    accepts('a step as text', free, { control: 'SPIN_BOX', singleStepDelta: '10' }),
  ]);
  refuseTable([
    refuses(
      'SPIN_BOX with a choice',
      limited,
      { control: 'SPIN_BOX' },
      '.control',
      'without allowedValues',
    ),
    refuses(
      'DROPDOWN_LIST without a choice',
      free,
      { control: 'DROPDOWN_LIST' },
      '.control',
      'needs allowedValues',
    ),
    refuses('LINE_EDIT', free, { control: 'LINE_EDIT' }, '.control', 'one of SPIN_BOX'),
    refuses(
      'a step of 0',
      free,
      { singleStepDelta: 0 },
      '.singleStepDelta',
      type === 'INT' ? 'an integer of 1 or more' : 'a number above 0',
    ),
    refuses('a negative step', free, { singleStepDelta: -1 }, '.singleStepDelta', 'expected a'),
    refuses(
      'a step that is a word',
      free,
      { singleStepDelta: 'big' },
      '.singleStepDelta',
      'found the text "big"',
    ),
    refuses(
      'a step in a list',
      limited,
      { singleStepDelta: 1 },
      '.singleStepDelta',
      'the control here is DROPDOWN_LIST',
    ),
    refuses(
      'a step that is hidden',
      free,
      { control: 'HIDDEN', singleStepDelta: 1 },
      '.singleStepDelta',
      'the control here is HIDDEN',
    ),
  ]);
});

describe('fractions', () => {
  const float = { type: 'FLOAT' };
  acceptTable([
    accepts('decimals', float, { decimals: 3 }),
    accepts('no decimals', float, { decimals: 0 }),
    accepts('a step of a fraction', float, { singleStepDelta: 0.1, decimals: 1 }),
  ]);
  refuseTable([
    refuses(
      'a step of a fraction for INT',
      { type: 'INT' },
      { singleStepDelta: 0.5 },
      '.singleStepDelta',
      'an integer of 1 or more, found the number 0.5',
    ),
    refuses('decimals for INT', { type: 'INT' }, { decimals: 1 }, '.decimals', 'unknown key'),
    refuses('negative decimals', float, { decimals: -1 }, '.decimals', 'an integer of 0 or more'),
    refuses('a fraction of decimals', float, { decimals: 1.5 }, '.decimals', 'an integer'),
    refuses(
      'decimals in a list',
      { ...float, allowedValues: [1] },
      { decimals: 1 },
      '.decimals',
      'the control here is DROPDOWN_LIST',
    ),
  ]);
});
