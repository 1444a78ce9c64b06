import { describe, expect, test } from 'vitest';
import {
  accepted,
  acceptedEnvironment,
  acceptTable,
  environmentTemplateWith,
  expectEnvironmentRefused,
  expectRefused,
  refuseTable,
  templateWith,
} from '../cases.ts';

type Body = Record<string, unknown>;
const action = { command: 'start' };
const file = { name: 'Setup', type: 'TEXT', data: 'x' };
const long = (length: number) => 'x'.repeat(length);
const parameters = [
  { name: 'Scene', type: 'PATH' },
  { name: 'Shot', type: 'STRING' },
];

/** The three places where an environment stands. */
const places: [string, string, (body: unknown, extensions?: string[]) => unknown][] = [
  [
    'jobEnvironments',
    'jobEnvironments[0]',
    (body, extensions) =>
      templateWith({ parameters, root: { extensions, jobEnvironments: [body] } }),
  ],
  [
    'stepEnvironments',
    'steps[0].stepEnvironments[0]',
    (body, extensions) =>
      templateWith({ parameters, root: { extensions }, step: { stepEnvironments: [body] } }),
  ],
  [
    'an environment template',
    'environment',
    (body, extensions) =>
      environmentTemplateWith({ extensions, parameterDefinitions: parameters, environment: body }),
  ],
];

const script = (actions: unknown, more: Body = {}) => ({ name: 'E', script: { actions, ...more } });
const withAction = (change: Body) => script({ onEnter: { ...action, ...change } });
const variables = (map: unknown) => ({ name: 'E', variables: map });

const good: [string, unknown][] = [
  ['variables alone', variables({ A: 'b' })],
  ['an empty value', variables({ A: '' })],
  ['a value of 2048 code points', variables({ A: '🎬'.repeat(2048) })],
  ['a value of several lines', variables({ A: 'a\nb' })],
  ['a variable name of 256 characters', variables({ [long(256)]: 'b' })],
  ['a variable name that starts with an underscore', variables({ _a1: 'b' })],
  ['a value with references', variables({ A: '{{Param.Scene}}/{{RawParam.Scene}}' })],
  ['a value with the working directory', variables({ A: '{{Session.WorkingDirectory}}' })],
  ['onEnter alone', script({ onEnter: action })],
  ['onExit alone', script({ onExit: action })],
  ['onEnter and onExit', script({ onEnter: action, onExit: action })],
  ['a script and variables', { ...script({ onEnter: action }), variables: { A: 'b' } }],
  ['a description', { ...variables({ A: 'b' }), description: 'Sets A.' }],
  ['a name of 64 code points', { name: '🎬'.repeat(64), variables: { A: 'b' } }],
  ['embedded files', script({ onEnter: action }, { embeddedFiles: [file] })],
  [
    'a reference to an embedded file in an action',
    script({ onEnter: { command: '{{Env.File.Setup}}' } }, { embeddedFiles: [file] }),
  ],
  [
    'a reference to an embedded file in the variables',
    {
      ...script({ onEnter: action }, { embeddedFiles: [file] }),
      variables: { A: '{{Env.File.Setup}}' },
    },
  ],
  ['a timeout', withAction({ timeout: 5 })],
  [
    'a cancelation with a notice',
    withAction({ cancelation: { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodInSeconds: 600 } }),
  ],
];

const bad: [string, unknown, string, string][] = [
  ['neither script nor variables', { name: 'E' }, '', 'a script, variables or both, and has none'],
  ['text', 'E', '', 'an environment (a map), found the text "E"'],
  ['no name', { variables: { A: 'b' } }, '.name', 'an environment needs the key "name"'],
  ['an empty name', { name: '', variables: { A: 'b' } }, '.name', 'at least 1 character'],
  ['a name of 65 characters', { name: long(65), variables: { A: 'b' } }, '.name', 'at most 64'],
  ['a name with a tab', { name: 'a\tb', variables: { A: 'b' } }, '.name', 'U+0009'],
  ['a name that is a number', { name: 5, variables: { A: 'b' } }, '.name', 'found the integer 5'],
  [
    'an unknown key',
    { ...variables({ A: 'b' }), variable: 1 },
    '.variable',
    'did you mean "variables"?',
  ],
  [
    'an empty description',
    { ...variables({ A: 'b' }), description: '' },
    '.description',
    'at least 1',
  ],
  ['empty variables', variables({}), '.variables', 'at least 1 variable, found an empty map'],
  ['variables that are a list', variables(['A']), '.variables', 'found a list'],
  ['a value that is a number', variables({ A: 1 }), '.variables.A', 'put it in quotes'],
  ['a value that is a boolean', variables({ A: true }), '.variables.A', 'put it in quotes'],
  ['a value that is null', variables({ A: null }), '.variables.A', 'found nothing (null)'],
  ['a value of 2049 characters', variables({ A: long(2049) }), '.variables.A', 'at most 2048'],
  ['a value with NUL', variables({ A: 'a\0' }), '.variables.A', 'U+0000'],
  ['a variable name with a dash', variables({ 'A-B': 'b' }), '.variables.A-B', 'found "A-B"'],
  [
    'a variable name that starts with a digit',
    variables({ '1A': 'b' }),
    '.variables.1A',
    'found "1A"',
  ],
  ['an empty variable name', variables({ '': 'b' }), '.variables.', 'found ""'],
  ['a variable name with an accent', variables({ é: 'b' }), '.variables.é', 'letters A-Z a-z'],
  [
    'a variable name of 257 characters',
    variables({ [long(257)]: 'b' }),
    `.variables.${long(257)}`,
    'at most 256',
  ],
  [
    'an unknown reference',
    variables({ A: '{{Param.Sho}}' }),
    '.variables.A',
    'did you mean "Shot"?',
  ],
  [
    'a task reference',
    variables({ A: '{{Task.Param.F}}' }),
    '.variables.A',
    'only in a step script',
  ],
  [
    'an unknown file',
    variables({ A: '{{Env.File.X}}' }),
    '.variables.A',
    'no embedded file "X" in this environment',
  ],
  [
    'a script without actions',
    { name: 'E', script: {} },
    '.script.actions',
    'needs the key "actions"',
  ],
  [
    'a script that is text',
    { name: 'E', script: 'x' },
    '.script',
    'the script of an environment (a map)',
  ],
  [
    'no action',
    script({}),
    '.script.actions',
    'expected onEnter, onExit or both, found an empty map',
  ],
  [
    'onRun',
    script({ onEnter: action, onRun: action }),
    '.script.actions.onRun',
    'unknown key "onRun" in the actions of an environment',
  ],
  [
    'actions that are a list',
    script([action]),
    '.script.actions',
    'the actions of an environment (a map)',
  ],
  [
    'an empty command',
    withAction({ command: '' }),
    '.script.actions.onEnter.command',
    'at least 1',
  ],
  [
    'a command with a line break',
    withAction({ command: 'a\nb' }),
    '.script.actions.onEnter.command',
    'U+000A',
  ],
  [
    'a timeout of 0',
    withAction({ timeout: 0 }),
    '.script.actions.onEnter.timeout',
    'an integer of 1 or more',
  ],
  [
    'a notify period of 601',
    withAction({ cancelation: { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodInSeconds: 601 } }),
    '.script.actions.onEnter.cancelation.notifyPeriodInSeconds',
    'from 1 to 600',
  ],
  [
    'a task reference in an action',
    withAction({ args: ['{{Task.Param.F}}'] }),
    '.script.actions.onEnter.args[0]',
    'only in a step script',
  ],
  [
    "a step's file in an action",
    withAction({ args: ['{{Task.File.F}}'] }),
    '.script.actions.onEnter.args[0]',
    "a step's embedded files are known only in its script",
  ],
  [
    'an empty list of files',
    script({ onEnter: action }, { embeddedFiles: [] }),
    '.script.embeddedFiles',
    'at least 1',
  ],
  [
    'a file without data',
    script({ onEnter: action }, { embeddedFiles: [{ name: 'F', type: 'TEXT' }] }),
    '.script.embeddedFiles[0].data',
    'needs the key "data"',
  ],
  [
    'two files of one name',
    script({ onEnter: action }, { embeddedFiles: [file, file] }),
    '.script.embeddedFiles[1].name',
    'two embedded files are named "Setup"',
  ],
  [
    'endOfLine without its extension',
    script({ onEnter: action }, { embeddedFiles: [{ ...file, endOfLine: 'LF' }] }),
    '.script.embeddedFiles[0].endOfLine',
    'endOfLine belongs to the FEATURE_BUNDLE_1 extension; add FEATURE_BUNDLE_1',
  ],
  ['a simple action', { name: 'E', bash: { script: 'x' } }, '.bash', 'unknown key "bash"'],
];

describe.each(places)('an environment in %s', (_place, at, inPlace) => {
  const isTemplate = at === 'environment';
  test.each(good)('accepts %s', (_title, body) => {
    if (isTemplate) acceptedEnvironment(inPlace(body));
    else accepted(inPlace(body));
  });
  // The lack of a script is reported beside an unknown key; such rows name one problem only.
  test.each(bad.filter(([title]) => title !== 'a simple action'))(
    'refuses %s',
    (_title, body, path, reason) => {
      const expectOne = isTemplate ? expectEnvironmentRefused : expectRefused;
      expectOne(inPlace(body), `${at}${path}`, reason);
    },
  );
  test('with FEATURE_BUNDLE_1 its name may have 512 characters, and files tell their line ends', () => {
    const body = {
      name: long(512),
      script: {
        actions: { onEnter: { command: 'a', timeout: '5' } },
        embeddedFiles: [{ ...file, endOfLine: 'CRLF', filename: long(256) }],
      },
    };
    const value = inPlace(body, ['FEATURE_BUNDLE_1']);
    const template = isTemplate ? acceptedEnvironment(value) : accepted(value);
    expect(JSON.parse(JSON.stringify(template))).toEqual(template);
    const expectOne = isTemplate ? expectEnvironmentRefused : expectRefused;
    const tooLong = inPlace({ ...body, name: long(513) }, ['FEATURE_BUNDLE_1']);
    expectOne(tooLong, `${at}.name`, 'at most 512');
  });
});

describe('names of environments', () => {
  const named = (...names: string[]) => names.map((name) => ({ name, variables: { A: 'b' } }));
  const onRun = { script: { actions: { onRun: { command: 'a' } } } };
  acceptTable([
    [
      'two steps with an environment of one name',
      {
        root: {
          steps: [
            { name: 'A', stepEnvironments: named('E'), ...onRun },
            { name: 'B', stepEnvironments: named('E'), ...onRun },
          ],
        },
      },
    ],
    [
      'names that differ in case',
      { root: { jobEnvironments: named('E', 'e') }, step: { stepEnvironments: named('É') } },
    ],
  ]);
  refuseTable([
    [
      'two job environments of one name',
      { root: { jobEnvironments: named('E', 'F', 'E') } },
      'jobEnvironments[2].name',
      'two environments are named "E"',
    ],
    [
      'two environments of a step of one name',
      { step: { stepEnvironments: named('E', 'E') } },
      'steps[0].stepEnvironments[1].name',
      'two environments are named "E"',
    ],
    [
      "a step's environment named as one of the job's",
      { root: { jobEnvironments: named('E') }, step: { stepEnvironments: named('F', 'E') } },
      'steps[0].stepEnvironments[1].name',
      'an environment of the job is named "E" already',
    ],
    [
      'an empty jobEnvironments',
      { root: { jobEnvironments: [] } },
      'jobEnvironments',
      'at least 1',
    ],
    [
      'an empty stepEnvironments',
      { step: { stepEnvironments: [] } },
      'steps[0].stepEnvironments',
      'at least 1 of environments',
    ],
    [
      'jobEnvironments that are a map',
      { root: { jobEnvironments: { name: 'E' } } },
      'jobEnvironments',
      'a list of environments, found a map',
    ],
  ]);
});
