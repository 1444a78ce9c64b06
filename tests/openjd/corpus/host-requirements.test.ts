import { describe, expect, test } from 'vitest';
import { acceptTable, refuseTable } from '../cases.ts';
import { created, refused } from '../creating.ts';

const at = 'steps[0].hostRequirements';
type Requirement = Record<string, unknown>;
const requirements = (hostRequirements: unknown, bundled = false) => ({
  root: bundled ? { extensions: ['FEATURE_BUNDLE_1'] } : {},
  parameters: [{ name: 'P', type: 'STRING', default: 'x' }],
  step: { hostRequirements },
});
const amount = (change: Requirement, bundled = false) =>
  requirements({ amounts: [{ name: 'amount.licenses', ...change }] }, bundled);
const attribute = (change: Requirement) =>
  requirements({ attributes: [{ name: 'attr.software', ...change }] });
const long = (length: number) => 'x'.repeat(length);

describe('host requirements', () => {
  acceptTable([
    ['amounts alone', amount({ min: 1 })],
    ['attributes alone', attribute({ anyOf: ['a'] })],
    [
      'an empty list beside another that is not',
      requirements({ amounts: [], attributes: [{ name: 'attr.a', anyOf: ['b'] }] }),
    ],
    [
      '50 together',
      requirements({
        amounts: Array.from({ length: 25 }, (_, i) => ({ name: `amount.a${i}`, min: 1 })),
        attributes: Array.from({ length: 25 }, (_, i) => ({ name: `attr.a${i}`, anyOf: ['b'] })),
      }),
    ],
    [
      'an amount and an attribute that differ in their first word only',
      requirements({
        amounts: [{ name: 'amount.a', min: 1 }],
        attributes: [{ name: 'attr.a', anyOf: ['b'] }],
      }),
    ],
  ]);
  refuseTable([
    ['nothing', requirements({}), at, 'at least 1 amount or attribute, found none'],
    ['empty lists', requirements({ amounts: [], attributes: [] }), at, 'at least 1 amount or attr'],
    ['text', requirements('gpu'), at, 'host requirements (a map)'],
    [
      'an unknown key',
      requirements({ amounts: [{ name: 'amount.a', min: 1 }], amount: [] }),
      `${at}.amount`,
      'did you mean "amounts"?',
    ],
    [
      'amounts that are a map',
      requirements({ amounts: { name: 'amount.a' } }),
      `${at}.amounts`,
      'a list of amounts',
    ],
    [
      'attributes that are text',
      requirements({ attributes: 'linux' }),
      `${at}.attributes`,
      'a list of attributes',
    ],
    [
      '51 together',
      requirements({
        amounts: Array.from({ length: 25 }, (_, i) => ({ name: `amount.a${i}`, min: 1 })),
        attributes: Array.from({ length: 26 }, (_, i) => ({ name: `attr.a${i}`, anyOf: ['b'] })),
      }),
      at,
      'at most 50 amounts and attributes together, found 51',
    ],
    [
      'two amounts whose names differ in case only',
      requirements({
        amounts: [
          { name: 'amount.GPU', min: 1 },
          { name: 'amount.gpu', min: 1 },
        ],
      }),
      `${at}.amounts[1].name`,
      'two amounts are named "amount.gpu"',
    ],
    [
      'two attributes of one name',
      requirements({
        attributes: [
          { name: 'attr.a', anyOf: ['b'] },
          { name: 'attr.A', allOf: ['b'] },
        ],
      }),
      `${at}.attributes[1].name`,
      'two attributes are named "attr.a"',
    ],
  ]);
});

describe('amounts', () => {
  const path = `${at}.amounts[0]`;
  acceptTable([
    ['min', amount({ min: 4 })],
    ['min of 0', amount({ min: 0 })],
    ['max', amount({ max: 0.5 })],
    ['min and max', amount({ min: 0.25, max: 2 })],
    ['equal min and max', amount({ min: 2, max: 2 })],
    ['text with FEATURE_BUNDLE_1', amount({ min: '4', max: '8.5' }, true)],
    ['a reference with FEATURE_BUNDLE_1', amount({ min: '{{Param.P}}' }, true)],
  ]);
  refuseTable([
    ['neither min nor max', amount({}), path, 'min, max or both, and has none'],
    ['a negative min', amount({ min: -1 }), `${path}.min`, 'a number of 0 or more'],
    ['a max of 0', amount({ max: 0 }), `${path}.max`, 'a number above 0'],
    ['max below min', amount({ min: 2, max: 1 }), `${path}.max`, 'at least min 2, found 1'],
    ['a boolean', amount({ min: true }), `${path}.min`, 'true (a boolean)'],
    ['null', amount({ max: null }), `${path}.max`, 'nothing (null)'],
    [
      'text without FEATURE_BUNDLE_1',
      amount({ min: '4' }),
      `${path}.min`,
      'add FEATURE_BUNDLE_1 to the template',
    ],
    [
      'a reference without FEATURE_BUNDLE_1',
      amount({ max: '{{Param.P}}' }),
      `${path}.max`,
      'an amount as text belongs to the FEATURE_BUNDLE_1',
    ],
    [
      'a word',
      amount({ min: 'many' }, true),
      `${path}.min`,
      'a number of 0 or more, found the text "many"',
    ],
    ['infinity', amount({ min: 'inf' }, true), `${path}.min`, 'a number of 0 or more'],
    ['negative text', amount({ min: '-1' }, true), `${path}.min`, 'a number of 0 or more'],
    ['a max of 0 as text', amount({ max: '0.0' }, true), `${path}.max`, 'a number above 0'],
    [
      'max below min as text',
      amount({ min: '2', max: '1' }, true),
      `${path}.max`,
      'at least min 2',
    ],
    ['an unknown key', amount({ min: 1, unit: 'MiB' }), `${path}.unit`, 'unknown key "unit"'],
    [
      'an amount that is text',
      requirements({ amounts: ['gpu'] }),
      path,
      'an amount requirement (a map)',
    ],
  ]);
});

describe('attributes', () => {
  const path = `${at}.attributes[0]`;
  const os = (change: Requirement) => attribute({ name: 'attr.worker.os.family', ...change });
  acceptTable([
    ['anyOf', attribute({ anyOf: ['blender', '_a-1'] })],
    ['allOf', attribute({ allOf: ['movie-A', 'shared-assets'] })],
    ['both', attribute({ anyOf: ['a'], allOf: ['b'] })],
    ['a value of 100 characters', attribute({ anyOf: [long(100)] })],
    ['50 values', attribute({ anyOf: Array.from({ length: 50 }, (_, i) => `v${i}`) })],
    ['a reference', attribute({ anyOf: ['{{Param.P}}'] })],
    ['the defined values', os({ anyOf: ['linux', 'windows', 'macos'] })],
    ['a defined value in another case', os({ anyOf: ['Linux'] })],
    ['one defined value in allOf', os({ allOf: ['linux'] })],
    ['an architecture', attribute({ name: 'attr.worker.cpu.arch', anyOf: ['x86_64', 'ARM64'] })],
  ]);
  refuseTable([
    ['neither anyOf nor allOf', attribute({}), path, 'anyOf, allOf or both, and has none'],
    ['an empty anyOf', attribute({ anyOf: [] }), `${path}.anyOf`, 'at least 1 of attribute values'],
    ['an empty allOf', attribute({ allOf: [] }), `${path}.allOf`, 'at least 1 of attribute values'],
    [
      '51 values',
      attribute({ anyOf: Array.from({ length: 51 }, (_, i) => `v${i}`) }),
      `${path}.anyOf`,
      'at most 50',
    ],
    [
      'anyOf that is text',
      attribute({ anyOf: 'a' }),
      `${path}.anyOf`,
      'a list of attribute values',
    ],
    ['an empty value', attribute({ anyOf: [''] }), `${path}.anyOf[0]`, 'at least 1 character'],
    [
      'a value that is a number',
      attribute({ anyOf: ['a', 5] }),
      `${path}.anyOf[1]`,
      'found the integer 5',
    ],
    [
      'a value of 101 characters',
      attribute({ allOf: [long(101)] }),
      `${path}.allOf[0]`,
      'at most 100',
    ],
    [
      'a value that starts with a digit',
      attribute({ anyOf: ['4k'] }),
      `${path}.anyOf[0]`,
      'found "4k"',
    ],
    [
      'a value that starts with a dash',
      attribute({ anyOf: ['-a'] }),
      `${path}.anyOf[0]`,
      'starting with a letter or _',
    ],
    ['a value with a space', attribute({ anyOf: ['a b'] }), `${path}.anyOf[0]`, 'found "a b"'],
    ['a value with an accent', attribute({ anyOf: ['é'] }), `${path}.anyOf[0]`, 'letters A-Z a-z'],
    [
      'an unknown operating system',
      os({ anyOf: ['linux', 'beos'] }),
      `${path}.anyOf[1]`,
      'one of linux, windows, macos',
    ],
    [
      'a misspelt operating system',
      os({ anyOf: ['linxu'] }),
      `${path}.anyOf[0]`,
      'did you mean "linux"?',
    ],
    [
      'two operating systems at once',
      os({ allOf: ['linux', 'macos'] }),
      `${path}.allOf`,
      'at most 1 value',
    ],
    [
      'an unknown architecture',
      attribute({ name: 'attr.worker.cpu.arch', anyOf: ['riscv'] }),
      `${path}.anyOf[0]`,
      'one of x86_64, arm64',
    ],
    [
      'an unknown key',
      attribute({ anyOf: ['a'], noneOf: ['b'] }),
      `${path}.noneOf`,
      'unknown key "noneOf"',
    ],
  ]);
});

describe('host requirements of a job', () => {
  const parts = (hostRequirements: unknown) => requirements(hostRequirements, true);
  test('have names and values in lower case, and the least of a defined amount', () => {
    const [step] = created(
      parts({
        amounts: [
          { name: 'Amount.Worker.VCPU', max: '{{Param.P}}' },
          { name: 'amount.worker.memory', min: 1024 },
          { name: 'studio:amount.seats', min: '{{Param.P}}', max: 8 },
        ],
        attributes: [{ name: 'attr.Software', anyOf: ['Blender-{{Param.P}}'], allOf: ['A'] }],
      }),
      { P: '4' },
    ).steps;
    expect(step?.hostRequirements).toEqual({
      amounts: [
        { name: 'amount.worker.vcpu', min: 1, max: 4 },
        { name: 'amount.worker.memory', min: 1024 },
        { name: 'studio:amount.seats', min: 4, max: 8 },
      ],
      attributes: [{ name: 'attr.software', anyOf: ['blender-4'], allOf: ['a'] }],
    });
  });
  test.each([
    [
      'amounts',
      { name: 'amount.a', min: '{{Param.P}}' },
      '-1',
      'amounts[0].min',
      'a number of 0 or more, found the text "-1"',
    ],
    [
      'amounts',
      { name: 'amount.a', max: '{{Param.P}}' },
      '0',
      'amounts[0].max',
      'a number above 0',
    ],
    [
      'amounts',
      { name: 'amount.a', min: '{{Param.P}}' },
      'x',
      'amounts[0].min',
      'found the text "x"',
    ],
    [
      'amounts',
      { name: 'amount.a', min: '{{Param.P}}', max: 2 },
      '3',
      'amounts[0].max',
      'at least min 3, found 2',
    ],
    [
      'attributes',
      { name: 'attr.a', anyOf: ['{{Param.P}}'] },
      '',
      'attributes[0].anyOf[0]',
      'at least 1 character',
    ],
    [
      'attributes',
      { name: 'attr.a', anyOf: ['b', '{{Param.P}}'] },
      '1',
      'attributes[0].anyOf[1]',
      'found "1"',
    ],
    [
      'attributes',
      { name: 'attr.a', allOf: ['{{Param.P}}{{Param.P}}'] },
      long(51),
      'attributes[0].allOf[0]',
      'at most 100',
    ],
    [
      'attributes',
      { name: 'attr.worker.os.family', anyOf: ['{{Param.P}}'] },
      'beos',
      'attributes[0].anyOf[0]',
      'one of linux',
    ],
  ])('are checked again: %s %j with %s', (key, requirement, value, path, reason) => {
    expect(refused(parts({ [key]: [requirement] }), { P: value })).toEqual([
      expect.stringMatching(`^${at.replaceAll(/[.[\]]/g, '\\$&')}\\.`),
    ]);
    const [line] = refused(parts({ [key]: [requirement] }), { P: value });
    expect(line).toContain(`${at}.${path}: `);
    expect(line).toContain(reason);
  });
});
