import { describe } from 'vitest';
import { type AcceptedCase, acceptTable, type RefusedCase, refuseTable } from './cases.ts';

const onRun = 'steps[0].script.actions.onRun';
const parameters = [
  { name: 'Scene', type: 'PATH' },
  { name: 'Shot', type: 'STRING' },
];
const space = { taskParameterDefinitions: [{ name: 'Frame', type: 'INT', range: '1-3' }] };
const embeddedFiles = [{ name: 'Run', type: 'TEXT', data: 'x' }];

const argument = (text: unknown): AcceptedCase => [
  `the argument ${JSON.stringify(text)}`,
  { parameters, space, script: { embeddedFiles }, run: { args: [text] } },
];
const badArgument = (text: unknown, reason: string): RefusedCase => [
  `the argument ${JSON.stringify(text)}`,
  { parameters, space, run: { args: ['ok', text] } },
  `${onRun}.args[1]`,
  reason,
];
const refuses = (
  title: string,
  run: Record<string, unknown>,
  path: string,
  reason: string,
): RefusedCase => [title, { run }, `${onRun}${path}`, reason];

describe('actions', () => {
  acceptTable([
    ['no arguments', { run: { args: [] } }],
    ['an empty argument', { run: { args: [''] } }],
    ['a timeout of a week', { run: { timeout: 604_800 } }],
    ['TERMINATE', { run: { cancelation: { mode: 'TERMINATE' } } }],
    [
      'NOTIFY_THEN_TERMINATE without a period',
      { run: { cancelation: { mode: 'NOTIFY_THEN_TERMINATE' } } },
    ],
    [
      'a notify period of 600 seconds',
      { run: { cancelation: { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodInSeconds: 600 } } },
    ],
    ['a very long argument', { run: { args: ['x'.repeat(100_000)] } }],
  ]);
  refuseTable([
    refuses('an empty command', { command: '' }, '.command', 'at least 1 character'),
    refuses('a missing command', { command: undefined }, '.command', 'needs the key "command"'),
    refuses('a command with a line break', { command: 'a\nb' }, '.command', 'U+000A'),
    refuses('a command that is a list', { command: ['a'] }, '.command', 'found a list'),
    refuses('arguments that are text', { args: '-b' }, '.args', 'a list of arguments'),
    refuses(
      'an argument that is a number',
      { args: [1] },
      '.args[0]',
      'found the integer 1; put it in quotes',
    ),
    refuses('an argument with NUL', { args: ['a\u0000'] }, '.args[0]', 'U+0000'),
    refuses('an argument with a tab', { args: ['a\tb'] }, '.args[0]', 'U+0009'),
    refuses('a timeout of 0', { timeout: 0 }, '.timeout', 'an integer of 1 or more'),
    refuses('a negative timeout', { timeout: -1 }, '.timeout', 'an integer of 1 or more'),
    refuses('a fractional timeout', { timeout: 1.5 }, '.timeout', 'the number 1.5'),
    refuses(
      'a misspelt key',
      { cancellation: { mode: 'TERMINATE' } },
      '.cancellation',
      'did you mean "cancelation"?',
    ),
    refuses(
      'an unknown mode',
      { cancelation: { mode: 'KILL' } },
      '.cancelation.mode',
      'one of TERMINATE, NOTIFY_THEN_TERMINATE',
    ),
    refuses('a missing mode', { cancelation: {} }, '.cancelation.mode', 'needs the key "mode"'),
    refuses(
      'a notify period with TERMINATE',
      { cancelation: { mode: 'TERMINATE', notifyPeriodInSeconds: 5 } },
      '.cancelation.notifyPeriodInSeconds',
      'unknown key',
    ),
    refuses(
      'a notify period of 601 seconds',
      { cancelation: { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodInSeconds: 601 } },
      '.cancelation.notifyPeriodInSeconds',
      'an integer from 1 to 600, found the integer 601',
    ),
    refuses(
      'a notify period of 0',
      { cancelation: { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodInSeconds: 0 } },
      '.cancelation.notifyPeriodInSeconds',
      'from 1 to 600',
    ),
    [
      'a script without actions',
      { step: { script: {} } },
      'steps[0].script.actions',
      'needs the key "actions"',
    ],
    [
      'actions without onRun',
      { step: { script: { actions: {} } } },
      'steps[0].script.actions.onRun',
      'needs the key "onRun"',
    ],
    [
      'an onEnter action in a step',
      { script: { actions: { onRun: { command: 'a' }, onEnter: { command: 'a' } } } },
      'steps[0].script.actions.onEnter',
      'unknown key "onEnter" in the actions of a step',
    ],
    [
      'an action that is text',
      { script: { actions: { onRun: 'render' } } },
      onRun,
      'an action (a map)',
    ],
  ]);
});

describe('references in a script', () => {
  acceptTable(
    [
      '{{Param.Scene}}',
      '{{ RawParam.Scene }}',
      '{{Param.Shot}}/{{Param.Shot}}',
      '{{Task.Param.Frame}}',
      '{{Task.RawParam.Frame}}',
      '{{Task.File.Run}}',
      '{{Session.WorkingDirectory}}',
      '{{Session.HasPathMappingRules}}',
      '{{Session.PathMappingRulesFile}}',
      '{ single } braces',
    ].map(argument),
  );
  refuseTable([
    badArgument('{{Param.Shit}}', 'there is no job parameter "Shit"; did you mean "Shot"?'),
    badArgument('{{RawParam.X}}', 'there is no job parameter "X"'),
    badArgument(
      '{{Task.Param.Fram}}',
      'there is no task parameter "Fram" in this step; did you mean "Frame"?',
    ),
    badArgument('{{Task.File.Run}}', 'there is no embedded file "Run" in this step'),
    badArgument('{{Env.File.Run}}', 'only inside an environment'),
    badArgument('{{Session.Directory}}', 'Session.WorkingDirectory'),
    badArgument('{{param.Shot}}', 'did you mean "Param.…"?'),
    badArgument('{{Shot}}', 'expected Param.<name>'),
    badArgument('{{Param.Shot.Name}}', 'expected Param.<name>'),
    badArgument('{{Param.Shot', 'never closed'),
    badArgument('Param.Shot}}', 'without a "{{" before it'),
    badArgument('{{}}', 'found nothing'),
    badArgument('{{Param..Shot}}', 'a dotted name'),
    badArgument('{{Param.Shot | upper}}', 'a dotted name'),
  ]);

  refuseTable([
    [
      'Task.Param in the job name',
      { root: { name: '{{Task.Param.F}}' } },
      'name',
      'only in a step script',
    ],
    [
      'Session in the job name',
      { root: { name: '{{Session.WorkingDirectory}}' } },
      'name',
      'only on the node',
    ],
    [
      'Task.File in the job name',
      { root: { name: '{{Task.File.Run}}' } },
      'name',
      'embedded files are known only in its script',
    ],
    [
      'a PATH parameter in the job name',
      { root: { name: '{{Param.Scene}}' }, parameters },
      'name',
      'use RawParam.Scene here',
    ],
  ]);
  acceptTable([
    ['RawParam of a PATH in the job name', { root: { name: '{{RawParam.Scene}}' }, parameters }],
  ]);
});

describe('embedded files', () => {
  const file = (change: Record<string, unknown>) => ({
    script: { embeddedFiles: [{ ...embeddedFiles[0], ...change }] },
  });
  const at = 'steps[0].script.embeddedFiles';
  acceptTable([
    [
      'every key',
      file({
        filename: 'run me.sh',
        runnable: true,
        data: '#!/bin/sh\necho\t{{Session.WorkingDirectory}}',
      }),
    ],
    ['a file name of 64 characters', file({ filename: 'x'.repeat(64) })],
    ['a hidden file', file({ filename: '.rc' })],
    [
      'a file that refers to another',
      {
        script: {
          embeddedFiles: [...embeddedFiles, { name: 'B', type: 'TEXT', data: '{{Task.File.Run}}' }],
        },
      },
    ],
  ]);
  refuseTable([
    ['an empty list', { script: { embeddedFiles: [] } }, at, 'at least 1 of embedded files'],
    ['a missing data', file({ data: undefined }), `${at}[0].data`, 'needs the key "data"'],
    ['empty data', file({ data: '' }), `${at}[0].data`, 'at least 1 character'],
    ['data that is a map', file({ data: {} }), `${at}[0].data`, 'an empty map'],
    ['another type', file({ type: 'BINARY' }), `${at}[0].type`, 'expected TEXT'],
    ['a name with a dot', file({ name: 'run.sh' }), `${at}[0].name`, 'found "run.sh"'],
    [
      'a file name with a directory',
      file({ filename: 'a/b' }),
      `${at}[0].filename`,
      'without directories',
    ],
    [
      'a file name with a backslash',
      file({ filename: 'a\\b' }),
      `${at}[0].filename`,
      'without directories',
    ],
    ['the file name ..', file({ filename: '..' }), `${at}[0].filename`, 'without directories'],
    ['an empty file name', file({ filename: '' }), `${at}[0].filename`, 'at least 1'],
    [
      'a file name of 65 characters',
      file({ filename: 'x'.repeat(65) }),
      `${at}[0].filename`,
      'at most 64',
    ],
    ['runnable as text', file({ runnable: 'yes' }), `${at}[0].runnable`, 'true or false'],
    [
      'two files of one name',
      { script: { embeddedFiles: [...embeddedFiles, ...embeddedFiles] } },
      `${at}[1].name`,
      'two embedded files are named "Run"',
    ],
    [
      'two files written to one place',
      {
        script: {
          embeddedFiles: [
            { name: 'A', type: 'TEXT', data: 'x', filename: 'f' },
            { name: 'B', type: 'TEXT', data: 'x', filename: 'f' },
          ],
        },
      },
      `${at}[1].filename`,
      'two files to be written are named "f"',
    ],
    [
      'an unknown reference in data',
      file({ data: 'a {{Param.X}}' }),
      `${at}[0].data`,
      'there is no job parameter "X"',
    ],
  ]);
});
