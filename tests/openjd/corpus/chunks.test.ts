import { describe, expect, test } from 'vitest';
import {
  type AcceptedCase,
  acceptTable,
  expectRefused,
  type RefusedCase,
  refuseTable,
  templateWith,
} from '../cases.ts';
import { created, refused } from '../creating.ts';

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

const accepts = (title: string, change: Change): AcceptedCase => [title, chunked(change)];
const refuses = (title: string, change: Change, key: string, reason: string): RefusedCase => [
  title,
  chunked(change),
  `${at}.chunks.${key}`,
  reason,
];

describe('chunks', () => {
  acceptTable([
    ['the least that is needed', parts([frame])],
    accepts('one task a chunk', { defaultTaskCount: 1 }),
    accepts('a task count as text', { defaultTaskCount: '12' }),
    accepts('a task count from a parameter', { defaultTaskCount: '{{Param.N}}' }),
    accepts('a target', { targetRuntimeSeconds: 900 }),
    accepts('a target of 0', { targetRuntimeSeconds: 0 }),
    accepts('a target as text', { targetRuntimeSeconds: '60' }),
    accepts('a target from a parameter', { targetRuntimeSeconds: '{{RawParam.N}}' }),
    accepts('NONCONTIGUOUS', { rangeConstraint: 'NONCONTIGUOUS' }),
    ['a list of integers', ranged([1, '2', '{{Param.N}}', 7])],
    ['a range with references', ranged('1-{{Param.N}}')],
    ['a product with another parameter', parts([frame, tile], { combination: 'T * F' })],
    ['a product by default', parts([tile, frame])],
    ['brackets around it alone', parts([frame, tile], { combination: '(F) * T' })],
    [
      'an association of others beside it',
      parts([frame, tile, { ...tile, name: 'U' }], { combination: 'F * (T, U)' }),
    ],
  ]);

  refuseTable([
    [
      'CHUNK[INT] without its extension',
      parts([frame], {}, ['FEATURE_BUNDLE_1']),
      `${at}.type`,
      'CHUNK[INT] belongs to the TASK_CHUNKING extension; add TASK_CHUNKING',
    ],
    ['chunks on INT', parts([{ ...tile, chunks }]), `${at}.chunks`, 'CHUNK[INT]'],
    [
      'no chunks',
      parts([{ ...frame, chunks: undefined }]),
      `${at}.chunks`,
      'needs the key "chunks"',
    ],
    [
      'chunks that are a number',
      parts([{ ...frame, chunks: 10 }]),
      `${at}.chunks`,
      'chunks (a map)',
    ],
    refuses('no task count', { defaultTaskCount: undefined }, 'defaultTaskCount', 'needs the key'),
    refuses('no constraint', { rangeConstraint: undefined }, 'rangeConstraint', 'needs the key'),
    refuses(
      'a task count of 0',
      { defaultTaskCount: 0 },
      'defaultTaskCount',
      'an integer of 1 or more',
    ),
    refuses(
      'a task count of 0 as text',
      { defaultTaskCount: '0' },
      'defaultTaskCount',
      'an integer of 1 or more',
    ),
    refuses(
      'a negative task count',
      { defaultTaskCount: -3 },
      'defaultTaskCount',
      'an integer of 1 or more',
    ),
    refuses('a fraction', { defaultTaskCount: 1.5 }, 'defaultTaskCount', 'the number 1.5'),
    refuses('a word', { defaultTaskCount: 'ten' }, 'defaultTaskCount', 'found the text "ten"'),
    refuses('a boolean', { defaultTaskCount: true }, 'defaultTaskCount', 'true (a boolean)'),
    refuses(
      'a negative target',
      { targetRuntimeSeconds: -1 },
      'targetRuntimeSeconds',
      'an integer of 0 or more',
    ),
    refuses(
      'a target of a fraction',
      { targetRuntimeSeconds: 0.5 },
      'targetRuntimeSeconds',
      'an integer of 0 or more',
    ),
    refuses(
      'a target that is a word',
      { targetRuntimeSeconds: 'soon' },
      'targetRuntimeSeconds',
      'an integer of 0 or more',
    ),
    refuses(
      'another constraint',
      { rangeConstraint: 'ANY' },
      'rangeConstraint',
      'one of CONTIGUOUS, NONCONTIGUOUS',
    ),
    refuses(
      'a constraint in lower case',
      { rangeConstraint: 'contiguous' },
      'rangeConstraint',
      'did you mean "CONTIGUOUS"?',
    ),
    refuses('an unknown key', { taskCount: 5 }, 'taskCount', 'unknown key "taskCount" in chunks'),
    ['a fraction in the range', ranged([1, 1.5]), `${at}.range[1]`, 'an integer'],
    ['an empty list', ranged([]), `${at}.range`, 'at least 1'],
    [
      '1025 integers',
      ranged(Array.from({ length: 1025 }, (_, i) => i)),
      `${at}.range`,
      'at most 1024',
    ],
    ['a range that overlaps', ranged('1-5,3'), `${at}.range`, 'overlap'],
    ['one integer twice', ranged([1, 2, '1']), `${at}.range[2]`, '1 is listed twice'],
    [
      'two chunked parameters',
      parts([frame, { ...frame, name: 'G' }]),
      `${space}.taskParameterDefinitions[1].type`,
      'one task parameter of type CHUNK[INT] in a step, found 2',
    ],
    [
      'a chunked parameter in an association',
      parts([{ ...frame, range: '1-3' }, tile], { combination: '(F, T)' }),
      `${space}.combination`,
      'the chunked parameter "F" stands inside ( , )',
    ],
    [
      'a chunked parameter deep in an association',
      parts([{ ...frame, range: '1-3' }, tile, { ...tile, name: 'U' }], {
        combination: '((F), (T, U))',
      }),
      `${space}.combination`,
      'the chunked parameter "F" stands inside ( , )',
    ],
  ]);

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

  test('an association of unequal lengths is still the first thing to say about others', () => {
    const uneven = parts([frame, tile, { name: 'U', type: 'INT', range: '1-2' }], {
      combination: 'F * (T, U)',
    });
    expectRefused(templateWith(uneven), `${space}.combination`, 'T has 3 and U has 2');
  });
});
