import { describe, expect, test } from 'vitest';
import { created, refused } from './creating.ts';

const space = 'steps[0].parameterSpace';
const at = `${space}.taskParameterDefinitions[0]`;
type Change = Record<string, unknown>;
const chunks = { defaultTaskCount: 10, rangeConstraint: 'CONTIGUOUS' };
const frame = { name: 'F', type: 'CHUNK[INT]', range: '1-100', chunks };
const tile = { name: 'T', type: 'INT', range: '1-3' };
const parts = (definitions: unknown[], more: Change = {}, extensions = ['TASK_CHUNKING']) => ({
  root: { extensions },
  parameters: [{ name: 'N', type: 'STRING', default: '4' }],
  space: { taskParameterDefinitions: definitions, ...more },
});
const chunked = (change: Change) => parts([{ ...frame, chunks: { ...chunks, ...change } }]);
const ranged = (range: unknown) => parts([{ ...frame, range }]);

describe('chunks of a job', () => {
  test('a value that only the parameters tell is checked again', () => {
    const count = chunked({ defaultTaskCount: '{{Param.N}}' });
    expect(refused(count, { N: '0' })).toEqual([
      `${at}.chunks.defaultTaskCount: expected an integer of 1 or more, found the text "0"`,
    ]);
    expect(refused(chunked({ targetRuntimeSeconds: '{{Param.N}}' }), { N: '-1' })).toEqual([
      `${at}.chunks.targetRuntimeSeconds: expected an integer of 0 or more, found the text "-1"`,
    ]);
    expect(refused(ranged([3, '{{Param.N}}']), { N: '3' })).toEqual([
      `${at}.range[1]: 3 is listed twice; expected each value of a chunked parameter once`,
    ]);
    expect(refused(ranged('1-{{Param.N}}'), { N: '0' })).toEqual([
      expect.stringContaining(`${at}.range: "1-0" counts down`),
    ]);
  });

  test('a step has as many tasks as chunks, and its job keeps how they are made', () => {
    const [step] = created(
      parts([{ ...frame, chunks: { ...chunks, targetRuntimeSeconds: '0' } }, tile]),
    ).steps;
    expect(step?.taskCount).toBe(30);
    expect(step?.parameterSpace?.parameters[0]).toEqual({ ...frame, chunks });
    const adaptive = created(chunked({ targetRuntimeSeconds: 60, defaultTaskCount: '7' })).steps[0];
    expect(adaptive?.parameterSpace?.parameters[0]).toMatchObject({
      chunks: { defaultTaskCount: 7, targetRuntimeSeconds: 60 },
    });
  });

  test.each([
    ['F', 'F', 100],
    ['F * T', 'T * F', 300],
    ['T * F', 'T * F', 300],
    ['F * (T, U)', '(T, U) * F', 300],
    ['(F) * T', 'T * F', 300],
    ['T * ((U * F))', 'T * U * F', 900],
  ])('where chunks adapt, the tasks of %s are single values: %s', (given, kept, tasks) => {
    const definitions = [
      { ...frame, chunks: { ...chunks, targetRuntimeSeconds: 60 } },
      tile,
      { ...tile, name: 'U' },
    ].filter(({ name }) => given.includes(name));
    const [step] = created(parts(definitions, { combination: given })).steps;
    expect(step).toMatchObject({ taskCount: tasks, parameterSpace: { combination: kept } });
  });
});
