import { describe, expect, test } from 'vitest';
import { created, refused } from './creating.ts';

const at = 'steps[0].hostRequirements';
const requirements = (hostRequirements: unknown, bundled = false) => ({
  root: bundled ? { extensions: ['FEATURE_BUNDLE_1'] } : {},
  parameters: [{ name: 'P', type: 'STRING', default: 'x' }],
  step: { hostRequirements },
});
const long = (length: number) => 'x'.repeat(length);

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
