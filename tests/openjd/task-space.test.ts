import { describe } from 'vitest';
import { type AcceptedCase, acceptTable, type RefusedCase, refuseTable } from './cases.ts';

const at = 'steps[0].parameterSpace';
const range = `${at}.taskParameterDefinitions[0].range`;
const one = (type: string, values: unknown) => ({
  taskParameterDefinitions: [{ name: 'T', type, range: values }],
});
const accepts = (title: string, type: string, values: unknown): AcceptedCase => [
  title,
  {
    space: one(type, values),
    parameters: [
      { name: 'N', type: 'INT' },
      { name: 'P', type: 'PATH' },
    ],
  },
];
const refuses = (
  title: string,
  type: string,
  values: unknown,
  path: string,
  reason: string,
): RefusedCase => [
  title,
  {
    space: one(type, values),
    parameters: [
      { name: 'N', type: 'INT' },
      { name: 'P', type: 'PATH' },
    ],
  },
  `${range}${path}`,
  reason,
];

describe('task parameters', () => {
  acceptTable([
    accepts('a range expression', 'INT', '1-240:2, 300'),
    accepts('a huge range', 'INT', '1-1000000000000'),
    accepts('a range with references', 'INT', '1-{{Param.N}}'),
    accepts('a list of integers, text and references', 'INT', [3, '-2', '{{Param.N}}', 3]),
    accepts(
      '1024 integers',
      'INT',
      Array.from({ length: 1024 }, (_, i) => i),
    ),
    accepts('floats', 'FLOAT', [1, 1.5, '-2.5e3', '{{Param.N}}.5']),
    accepts('strings', 'STRING', ['a', '{{Param.N}}', '{{RawParam.P}}', 'x'.repeat(1024)]),
    accepts('paths', 'PATH', ['/a/b', 'c']),
    accepts('empty text, as other implementations do', 'STRING', ['', 'a']),
  ]);
  refuseTable([
    refuses('an empty list', 'INT', [], '', 'at least 1 of INT values'),
    refuses(
      '1025 integers',
      'INT',
      Array.from({ length: 1025 }, (_, i) => i),
      '',
      'at most 1024 of INT values, found 1025',
    ),
    refuses('a fraction in a list', 'INT', [1, 1.5], '[1]', 'an integer, found the number 1.5'),
    refuses('a word in a list', 'INT', ['one'], '[0]', 'an integer, found the text "one"'),
    refuses('a range as a list item', 'INT', ['1-5'], '[0]', 'an integer'),
    refuses('an integer beyond int64', 'INT', ['9223372036854775808'], '[0]', 'an integer from'),
    refuses('a single number', 'INT', 5, '', 'a range expression such as "1-240"'),
    refuses('an empty range', 'INT', '', '', 'found empty text'),
    refuses('a range that overlaps', 'INT', '1-10,5', '', '"1-10" and "5" overlap'),
    refuses('a descending range', 'INT', '10-1', '', 'counts down'),
    refuses(
      'an unknown reference in a range',
      'INT',
      '1-{{Param.M}}',
      '',
      'there is no job parameter "M"',
    ),
    refuses(
      'a task reference in a range',
      'INT',
      '1-{{Task.Param.T}}',
      '',
      'only in a step script',
    ),
    refuses('a PATH in a range', 'STRING', ['{{Param.P}}'], '[0]', 'use RawParam.P here'),
    refuses('a word among floats', 'FLOAT', [1, 'fast'], '[1]', 'a finite number'),
    refuses('floats as text', 'FLOAT', '1-5', '', 'a list of FLOAT values'),
    refuses('an empty path', 'PATH', [''], '[0]', 'at least 1 character'),
    refuses('a string of 1025 characters', 'STRING', ['x'.repeat(1025)], '[0]', 'at most 1024'),
    refuses(
      'a number among strings',
      'STRING',
      ['a', 1],
      '[1]',
      'found the integer 1; put it in quotes',
    ),
    refuses('a boolean among paths', 'PATH', [true], '[0]', 'true (a boolean)'),
    [
      'an unknown type',
      { space: one('BOOL', [1]) },
      `${at}.taskParameterDefinitions[0].type`,
      'one of INT, FLOAT, STRING, PATH',
    ],
    [
      'a bad name',
      { space: { taskParameterDefinitions: [{ name: '1', type: 'INT', range: '1' }] } },
      `${at}.taskParameterDefinitions[0].name`,
      'found "1"',
    ],
    [
      'a missing range',
      { space: { taskParameterDefinitions: [{ name: 'T', type: 'INT' }] } },
      range,
      'needs the key "range"',
    ],
    [
      'an unknown key',
      { space: { taskParameterDefinitions: [{ name: 'T', type: 'INT', range: '1', step: 2 }] } },
      `${at}.taskParameterDefinitions[0].step`,
      'unknown key "step"',
    ],
    [
      'chunks on INT',
      { space: { taskParameterDefinitions: [{ name: 'T', type: 'INT', range: '1', chunks: {} }] } },
      `${at}.taskParameterDefinitions[0].chunks`,
      'chunks belongs to task parameters of type CHUNK[INT]',
    ],
    [
      'two parameters of one name',
      {
        space: {
          taskParameterDefinitions: [
            { name: 'T', type: 'INT', range: '1' },
            { name: 'T', type: 'INT', range: '1' },
          ],
        },
      },
      `${at}.taskParameterDefinitions[1].name`,
      'two task parameters are named "T"',
    ],
    [
      'no parameters',
      { space: { taskParameterDefinitions: [] } },
      `${at}.taskParameterDefinitions`,
      'at least 1',
    ],
    [
      '17 parameters',
      {
        space: {
          taskParameterDefinitions: Array.from({ length: 17 }, (_, i) => ({
            name: `T${i}`,
            type: 'INT',
            range: '1',
          })),
        },
      },
      `${at}.taskParameterDefinitions`,
      'at most 16',
    ],
    ['a space that is a list', { space: [] }, at, 'a parameter space (a map)'],
    [
      'a space without parameters',
      { space: {} },
      `${at}.taskParameterDefinitions`,
      'needs the key',
    ],
  ]);
});

describe('combination', () => {
  const spaceOf = (combination: unknown) => ({
    space: {
      combination,
      taskParameterDefinitions: [
        { name: 'A', type: 'INT', range: '1-3' },
        { name: 'B', type: 'INT', range: [10, 11, 12] },
        { name: 'C', type: 'STRING', range: ['x', 'y'] },
      ],
    },
  });
  acceptTable(
    ['A * B * C', '(A, B) * C', 'C*(A,B)', '(A)*(B)*(C)', '((A,B))*C', '  A *B* C  '].map(
      (text): AcceptedCase => [`"${text}"`, spaceOf(text)],
    ),
  );
  refuseTable(
    (
      [
        ['', 'at least 1 character'],
        ['A * B', '"C" does not occur'],
        ['A * B * C * A', '"A" occurs more than once'],
        ['A * B * C * D', 'there is no task parameter "D"'],
        ['(A, B, C)', 'B has 3 and C has 2'],
        ['(A, B) C', 'expected a "*" or the end after ")", found "C"'],
        ['A * * B', 'a task parameter name or "(" after "*", found "*"'],
        ['(A, B', '"*", "," or ")" after "B", found the end'],
        ['A, B, C', 'a "*" or the end'],
        ['(A * B, C)', 'A * B has 9 and C has 2'],
        ['()', 'a task parameter name'],
        ['A + B', 'found "+"'],
        ['A\t* B * C', 'found "\\t"'],
        ['('.repeat(1281), 'at most 1280 characters'],
        [7, 'found the integer 7'],
      ] as const
    ).map(
      ([text, reason]): RefusedCase => [
        `"${String(text).slice(0, 20)}"`,
        spaceOf(text),
        `${at}.combination`,
        reason,
      ],
    ),
  );
});
