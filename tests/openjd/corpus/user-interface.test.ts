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
const folder = { type: 'PATH' };
const anyFile = { type: 'PATH', objectType: 'FILE' };
const filter = { label: 'Images', patterns: ['*.png'] };
const pattern = (each: unknown) => ({ fileFilters: [{ label: 'X', patterns: [each] }] });
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
    refuses('fileFilters', text, { fileFilters: [filter] }, '.fileFilters', 'unknown key'),
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

describe('controls of PATH', () => {
  acceptTable([
    accepts('CHOOSE_DIRECTORY', folder, { control: 'CHOOSE_DIRECTORY' }),
    accepts('CHOOSE_INPUT_FILE', anyFile, { control: 'CHOOSE_INPUT_FILE' }),
    accepts('CHOOSE_OUTPUT_FILE', anyFile, { control: 'CHOOSE_OUTPUT_FILE' }),
    accepts('DROPDOWN_LIST', { ...folder, allowedValues: ['a'] }, { control: 'DROPDOWN_LIST' }),
    accepts('HIDDEN', folder, { control: 'HIDDEN' }),
    accepts('file filters', anyFile, {
      control: 'CHOOSE_INPUT_FILE',
      fileFilters: [filter],
      fileFilterDefault: filter,
    }),
    accepts(
      'file filters of a file without a control',
      { ...anyFile, dataFlow: 'OUT' },
      { fileFilters: [filter] },
    ),
    accepts('20 file filters', anyFile, { fileFilters: Array.from({ length: 20 }, () => filter) }),
    ...['*', '*.*', '*.png', '*.tar.gz', '*.é', '*.a b', `*.${'x'.repeat(18)}`].map((each) =>
      accepts(`the pattern ${each}`, anyFile, pattern(each)),
    ),
  ]);
  refuseTable([
    refuses(
      'CHOOSE_DIRECTORY with a choice',
      { ...folder, allowedValues: ['a'] },
      { control: 'CHOOSE_DIRECTORY' },
      '.control',
      'without allowedValues',
    ),
    refuses(
      'CHOOSE_INPUT_FILE with a choice',
      { ...anyFile, allowedValues: ['a'] },
      { control: 'CHOOSE_INPUT_FILE' },
      '.control',
      'without allowedValues',
    ),
    refuses(
      'DROPDOWN_LIST without a choice',
      folder,
      { control: 'DROPDOWN_LIST' },
      '.control',
      'needs allowedValues',
    ),
    refuses(
      'CHOOSE_DIRECTORY of a file',
      anyFile,
      { control: 'CHOOSE_DIRECTORY' },
      '.control',
      'needs objectType DIRECTORY, found FILE',
    ),
    refuses(
      'CHOOSE_INPUT_FILE of a directory',
      folder,
      { control: 'CHOOSE_INPUT_FILE' },
      '.control',
      'needs objectType FILE, found DIRECTORY',
    ),
    refuses('CHECK_BOX', folder, { control: 'CHECK_BOX' }, '.control', 'one of CHOOSE_INPUT_FILE'),
    refuses(
      'file filters of a directory',
      folder,
      { fileFilters: [filter] },
      '.fileFilters',
      'the control here is CHOOSE_DIRECTORY',
    ),
    refuses(
      'file filters of a list',
      { ...anyFile, allowedValues: ['a'] },
      { fileFilters: [filter] },
      '.fileFilters',
      'the control here is DROPDOWN_LIST',
    ),
    refuses(
      'file filters that are hidden',
      anyFile,
      { control: 'HIDDEN', fileFilterDefault: filter },
      '.fileFilterDefault',
      'the control here is HIDDEN',
    ),
    refuses(
      '21 file filters',
      anyFile,
      { fileFilters: Array.from({ length: 21 }, () => filter) },
      '.fileFilters',
      'at most 20 of file filters, found 21',
    ),
    refuses('no file filters', anyFile, { fileFilters: [] }, '.fileFilters', 'at least 1'),
    refuses(
      'a filter without a label',
      anyFile,
      { fileFilters: [{ patterns: ['*'] }] },
      '.fileFilters[0].label',
      'needs the key "label"',
    ),
    refuses(
      'a filter without patterns',
      anyFile,
      { fileFilters: [{ label: 'X' }] },
      '.fileFilters[0].patterns',
      'needs the key "patterns"',
    ),
    refuses(
      'an empty list of patterns',
      anyFile,
      { fileFilterDefault: { label: 'X', patterns: [] } },
      '.fileFilterDefault.patterns',
      'at least 1 of patterns',
    ),
    refuses(
      'a label of 65 characters',
      anyFile,
      { fileFilters: [{ label: 'x'.repeat(65), patterns: ['*'] }] },
      '.fileFilters[0].label',
      'at most 64',
    ),
    refuses(
      'an unknown key of a filter',
      anyFile,
      { fileFilters: [{ ...filter, icon: 'x' }] },
      '.fileFilters[0].icon',
      'unknown key "icon"',
    ),
    refuses(
      'a filter that is text',
      anyFile,
      { fileFilters: ['*.png'] },
      '.fileFilters[0]',
      'a file filter (a map)',
    ),
    refuses(
      'a pattern of 21 characters',
      anyFile,
      pattern(`*.${'x'.repeat(19)}`),
      '.fileFilters[0].patterns[0]',
      'at most 20',
    ),
    refuses('an empty pattern', anyFile, pattern(''), '.fileFilters[0].patterns[0]', 'at least 1'),
    refuses(
      'a pattern that is a number',
      anyFile,
      pattern(5),
      '.fileFilters[0].patterns[0]',
      'found the integer 5',
    ),
    refuses(
      'a pattern with a control character',
      anyFile,
      pattern('*.a\u0007'),
      '.fileFilters[0].patterns[0]',
      'U+0007',
    ),
    ...[
      'png',
      '.png',
      '*.',
      '**',
      '*.*.png',
      'a*.png',
      '*png',
      '*.p?g',
      '*.[a]',
      '*.a/b',
      '*.a\\b',
      '*.a#',
      '*.a%',
      '*.a&',
      '*.{a}',
      '*.<a>',
      '*.$a',
      '*.a!',
      "*.a'",
      '*.a"',
      '*.a:',
      '*.a@',
      '*.a`',
      '*.a|',
      '*.a=',
    ].map((each) =>
      refuses(
        `the pattern ${each}`,
        anyFile,
        pattern(each),
        '.fileFilters[0].patterns[0]',
        'a file pattern such as',
      ),
    ),
  ]);
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
