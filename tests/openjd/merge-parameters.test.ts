import { createJob } from '@karst/shared/openjd/create-job.ts';
import { mergeParameters } from '@karst/shared/openjd/merge-parameters.ts';
import { brokenConstraints } from '@karst/shared/openjd/parameter-constraints.ts';
import { validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import type { JobParameterDefinition } from '@karst/shared/openjd/types.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  accepted,
  acceptedEnvironment,
  environmentTemplateWith,
  lines,
  templateWith,
} from './cases.ts';

type Definition = Record<string, unknown>;
const environment = (name: string, ...definitions: Definition[]) =>
  acceptedEnvironment(
    environmentTemplateWith({
      parameterDefinitions: definitions,
      environment: { name, variables: { A: 'b' } },
    }),
  );
const job = (...definitions: Definition[]) =>
  accepted(templateWith({ parameters: definitions.length === 0 ? undefined : definitions }));

/** The one parameter P that an environment's and the job's definition make together, or why not. */
function merged(inEnvironment: Definition, inJob: Definition): unknown {
  const result = mergeParameters(job({ name: 'P', ...inJob }), [
    environment('Conda', { name: 'P', ...inEnvironment }),
  ]);
  return result.ok ? result.value[0] : lines(result.error);
}

describe('definitions of one parameter', () => {
  test.each<[string, Definition, Definition, Definition]>([
    [
      'the last default wins',
      { type: 'INT', default: 1 },
      { type: 'INT', default: 2 },
      { type: 'INT', default: '2' },
    ],
    [
      'a default stays when the last has none',
      { type: 'INT', default: 1 },
      { type: 'INT' },
      { type: 'INT', default: '1' },
    ],
    [
      'the greater minValue',
      { type: 'INT', minValue: 5 },
      { type: 'INT', minValue: 3 },
      { type: 'INT', minValue: '5' },
    ],
    [
      'the lesser maxValue',
      { type: 'FLOAT', maxValue: 2.5 },
      { type: 'FLOAT', maxValue: 10 },
      { type: 'FLOAT', maxValue: '2.5' },
    ],
    [
      'bounds of both',
      { type: 'INT', minValue: 1 },
      { type: 'INT', maxValue: 9 },
      { type: 'INT', minValue: '1', maxValue: '9' },
    ],
    [
      'bounds beyond doubles',
      { type: 'INT', minValue: '9223372036854775806' },
      { type: 'INT', minValue: '9223372036854775807' },
      { type: 'INT', minValue: '9223372036854775807' },
    ],
    [
      'the greater minLength',
      { type: 'STRING', minLength: 1 },
      { type: 'STRING', minLength: 4 },
      { type: 'STRING', minLength: 4 },
    ],
    [
      'the lesser maxLength',
      { type: 'PATH', maxLength: 4 },
      { type: 'PATH', maxLength: 9 },
      { type: 'PATH', maxLength: 4 },
    ],
    [
      'allowed values of both, in the order of the last',
      { type: 'STRING', allowedValues: ['a', 'b', 'c'] },
      { type: 'STRING', allowedValues: ['c', 'x', 'a'] },
      { type: 'STRING', allowedValues: ['c', 'a'] },
    ],
    [
      'allowed values of one',
      { type: 'STRING', allowedValues: ['a'] },
      { type: 'STRING' },
      { type: 'STRING', allowedValues: ['a'] },
    ],
    [
      'floats compared by value',
      { type: 'FLOAT', allowedValues: ['1.50', 2] },
      { type: 'FLOAT', allowedValues: [1.5] },
      { type: 'FLOAT', allowedValues: ['1.5'] },
    ],
    [
      'the same kind of path',
      { type: 'PATH', objectType: 'FILE' },
      { type: 'PATH', objectType: 'FILE', dataFlow: 'IN' },
      { type: 'PATH', objectType: 'FILE', dataFlow: 'IN' },
    ],
    [
      'a path that is a directory by default',
      { type: 'PATH' },
      { type: 'PATH', objectType: 'DIRECTORY' },
      { type: 'PATH', objectType: 'DIRECTORY' },
    ],
    [
      'the last description and control',
      { type: 'INT', description: 'a' },
      { type: 'INT', description: 'b', userInterface: { label: 'L' } },
      { type: 'INT', description: 'b', userInterface: { label: 'L' } },
    ],
  ])('%s', (_title, inEnvironment, inJob, wanted) => {
    expect(merged(inEnvironment, inJob)).toEqual({ name: 'P', ...wanted });
  });

  test.each<[string, Definition, Definition, string]>([
    [
      'another type',
      { type: 'INT' },
      { type: 'STRING' },
      'type of the parameter "P" is INT in the environment "Conda" and STRING in the job template',
    ],
    [
      'FLOAT and INT',
      { type: 'FLOAT' },
      { type: 'INT' },
      'FLOAT in the environment "Conda" and INT',
    ],
    [
      'a file and a directory',
      { type: 'PATH' },
      { type: 'PATH', objectType: 'FILE' },
      'objectType of the parameter "P" is DIRECTORY',
    ],
    [
      'in and out',
      { type: 'PATH', dataFlow: 'IN' },
      { type: 'PATH', dataFlow: 'OUT' },
      'dataFlow of the parameter "P" is IN',
    ],
    [
      'bounds that leave nothing',
      { type: 'INT', minValue: 5 },
      { type: 'INT', maxValue: 4 },
      'at least minValue 5, found 4',
    ],
    [
      'lengths that leave nothing',
      { type: 'STRING', minLength: 5 },
      { type: 'STRING', maxLength: 4 },
      'at least minLength 5, found 4',
    ],
    [
      'no common value',
      { type: 'STRING', allowedValues: ['a'] },
      { type: 'STRING', allowedValues: ['b'] },
      'no value of the parameter "P" is allowed by the environment "Conda" and the job template alike',
    ],
    [
      'a default out of the other bounds',
      { type: 'INT', minValue: 5 },
      { type: 'INT', default: 4 },
      'the default does not fit: expected a value of at least 5',
    ],
    [
      'a default that the job does not allow',
      { type: 'STRING', default: 'a' },
      { type: 'STRING', allowedValues: ['b'] },
      'the default does not fit',
    ],
    [
      'an allowed value out of the other bounds',
      { type: 'INT', maxValue: 5 },
      { type: 'INT', allowedValues: [1, 9] },
      'at most 5 (maxValue), found 9',
    ],
  ])('%s is refused', (_title, inEnvironment, inJob, reason) => {
    expect(merged(inEnvironment, inJob)).toEqual([expect.stringContaining(reason)]);
    expect(merged(inEnvironment, inJob)).toEqual([expect.stringMatching(/^parameters\.P/)]);
  });

  test('several environments are merged in order, the job last, and each conflict is told', () => {
    const one = environment(
      'One',
      { name: 'A', type: 'INT', default: 1 },
      { name: 'B', type: 'INT' },
    );
    const two = environment(
      'Two',
      { name: 'A', type: 'INT', default: 2, maxValue: 7 },
      { name: 'C', type: 'INT' },
    );
    const good = mergeParameters(job({ name: 'D', type: 'INT' }), [one, two]);
    expect(good.ok && good.value.map(({ name, default: value }) => [name, value])).toEqual([
      ['A', '2'],
      ['B', undefined],
      ['C', undefined],
      ['D', undefined],
    ]);
    const bad = mergeParameters(job({ name: 'A', type: 'PATH' }, { name: 'C', type: 'STRING' }), [
      one,
      two,
    ]);
    expect(bad.ok ? [] : bad.error.map(({ path }) => path.join('.'))).toEqual([
      'parameters.A',
      'parameters.C',
    ]);
  });

  test('a value for an environment alone is taken, and a job needs it', () => {
    const conda = environment('Conda', { name: 'Packages', type: 'STRING' });
    const environments = [conda];
    const made = createJob(job(), { Packages: 'blender' }, { environments });
    expect(made.ok && made.value.parameters).toEqual({
      Packages: { type: 'STRING', value: 'blender' },
    });
    const missing = createJob(job(), {}, { environments });
    expect(missing.ok ? [] : lines(missing.error)).toEqual([
      'parameters.Packages: the parameter "Packages" has no default and was given no value',
    ]);
    const conflict = createJob(
      job({ name: 'Packages', type: 'INT', default: 1 }),
      {},
      { environments },
    );
    expect(conflict.ok ? [] : lines(conflict.error)).toEqual([
      expect.stringContaining('parameters.Packages: type of the parameter'),
    ]);
  });
});

describe('any two definitions', () => {
  const bound = fc.option(fc.integer({ min: -6, max: 6 }).map(String), { nil: undefined });
  const definition = fc
    .record({
      minValue: bound,
      maxValue: bound,
      allowedValues: fc.option(
        fc.uniqueArray(fc.integer({ min: -6, max: 6 }).map(String), { minLength: 1, maxLength: 8 }),
        { nil: undefined },
      ),
      default: bound,
    })
    .map((parts) => ({ name: 'P', type: 'INT', ...parts }))
    .filter((each) => validateTemplate(templateWith({ parameters: [each] })).ok);

  test('merged take just the values that both take, or are refused because there is a conflict', () => {
    fc.assert(
      fc.property(definition, definition, (a, b) => {
        const first = job(a).parameterDefinitions?.[0];
        const second = job(b).parameterDefinitions?.[0];
        if (first === undefined || second === undefined) throw new Error('no parameter');
        const result = mergeParameters(job(b), [environment('E', a)]);
        if (!result.ok) {
          expect(result.error[0]?.path).toEqual(expect.arrayContaining(['parameters', 'P']));
          return;
        }
        const [both] = result.value;
        if (both === undefined) throw new Error('nothing merged');
        const fits = (one: JobParameterDefinition, value: string) =>
          brokenConstraints(one, value).length === 0;
        for (let value = -8; value <= 8; value++) {
          const text = `${value}`;
          expect(fits(both, text)).toBe(fits(first, text) && fits(second, text));
        }
        if (both.default !== undefined) expect(fits(both, both.default)).toBe(true);
        expect(both.default).toBe(second.default ?? first.default);
      }),
      { numRuns: 200 },
    );
  });
});
