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

const folder = { type: 'PATH' };
const anyFile = { type: 'PATH', objectType: 'FILE' };
const filter = { label: 'Images', patterns: ['*.png'] };
const pattern = (each: unknown) => ({ fileFilters: [{ label: 'X', patterns: [each] }] });

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
