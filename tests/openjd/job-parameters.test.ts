import { describe, expect, test } from 'vitest';
import { accepted, expectRefused, templateWith } from './cases.ts';

const template = (definition: Record<string, unknown>) =>
  templateWith({ parameters: [{ name: 'P', type: 'INT', ...definition }] });

describe('INT parameters', () => {
  test('keeps integers exactly, in canonical text', () => {
    expect(accepted(template({ default: '+0123', minValue: -5 })).parameterDefinitions).toEqual([
      { name: 'P', type: 'INT', default: '123', minValue: '-5' },
    ]);
  });

  test('refuses a JSON number too large to be exact: as data, its digits are gone', () => {
    const reason = 'write it in quotes';
    expectRefused(template({ default: 1e18 }), 'parameterDefinitions[0].default', reason);
  });
});
