import { resolveEmbeddedFiles } from '@karst/shared/openjd/resolve-task.ts';
import { describe, expect, test } from 'vitest';
import {
  type AcceptedCase,
  accepted,
  acceptTable,
  expectRefused,
  type RefusedCase,
  refuseTable,
  type TemplateParts,
  templateWith,
} from '../cases.ts';
import { created, refused } from '../creating.ts';

const onRun = 'steps[0].script.actions.onRun';
const bundled = (parts: TemplateParts): TemplateParts => ({
  ...parts,
  root: { extensions: ['FEATURE_BUNDLE_1'], ...parts.root },
});
const parameters = [{ name: 'N', type: 'STRING', default: '5' }];
const file = { name: 'F', type: 'TEXT', data: 'x' };
const text = (length: number) => 'x'.repeat(length);

/** What holds `length` of something, the path it is at, and its greatest lengths. */
const limits: [string, string, (length: number) => TemplateParts, number, number][] = [
  ['job name', 'name', (length) => ({ root: { name: text(length) } }), 128, 512],
  ['step name', 'steps[0].name', (length) => ({ step: { name: text(length) } }), 64, 512],
  [
    'environment name',
    'jobEnvironments[0].name',
    (length) => ({ root: { jobEnvironments: [{ name: text(length), variables: { A: 'b' } }] } }),
    64,
    512,
  ],
  [
    'job parameter name',
    'parameterDefinitions[0].name',
    (length) => ({ parameters: [{ name: text(length), type: 'INT' }] }),
    64,
    512,
  ],
  [
    'task parameter name',
    'steps[0].parameterSpace.taskParameterDefinitions[0].name',
    (length) => ({
      space: { taskParameterDefinitions: [{ name: text(length), type: 'INT', range: '1' }] },
    }),
    64,
    512,
  ],
  [
    'embedded file name',
    'steps[0].script.embeddedFiles[0].name',
    (length) => ({ script: { embeddedFiles: [{ ...file, name: text(length) }] } }),
    64,
    512,
  ],
  [
    'filename',
    'steps[0].script.embeddedFiles[0].filename',
    (length) => ({ script: { embeddedFiles: [{ ...file, filename: text(length) }] } }),
    64,
    256,
  ],
  [
    'number of parameters',
    'parameterDefinitions',
    (length) => ({
      parameters: Array.from({ length }, (_, index) => ({ name: `P${index}`, type: 'INT' })),
    }),
    50,
    200,
  ],
];

test('a name that is too long is told of the extension that allows it', () => {
  expectRefused(
    templateWith({ step: { name: text(65) } }),
    'steps[0].name',
    'at most 64 characters (512 with the FEATURE_BUNDLE_1 extension), found 65 characters',
  );
});

describe.each(limits)('the %s', (_what, path, parts, base, raised) => {
  test('has its base limit without the extension', () => {
    accepted(templateWith(parts(base)));
    expectRefused(templateWith(parts(base + 1)), path, `at most ${base}`);
  });
  test('has a higher limit with it', () => {
    accepted(templateWith(bundled(parts(base + 1))));
    accepted(templateWith(bundled(parts(raised))));
    expectRefused(templateWith(bundled(parts(raised + 1))), path, `at most ${raised}`);
  });
});

test('the job name is measured again by the limit of its template', () => {
  const parts = { parameters, root: { name: '{{Param.N}}' } };
  expect(created(bundled(parts), { N: text(512) }).name).toHaveLength(512);
  expect(refused(bundled(parts), { N: text(513) })).toEqual([
    'name: expected a job name of at most 512 characters, found 513 characters',
  ]);
  expect(refused(parts, { N: text(129) })).toEqual([
    'name: expected a job name of at most 128 characters, found 129 characters',
  ]);
});

const notify = (notifyPeriodInSeconds: unknown) => ({
  cancelation: { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodInSeconds },
});
const run = (change: Record<string, unknown>) => bundled({ parameters, run: change });
const accepts = (title: string, change: Record<string, unknown>): AcceptedCase => [
  title,
  run(change),
];
const refuses = (
  title: string,
  change: Record<string, unknown>,
  path: string,
  reason: string,
): RefusedCase => [title, run(change), `${onRun}${path}`, reason];

describe('numbers as text', () => {
  acceptTable([
    accepts('a timeout as text', { timeout: '60' }),
    accepts('a timeout from a parameter', { timeout: '{{Param.N}}' }),
    accepts('a timeout with text around the reference', { timeout: '1{{Param.N}}' }),
    accepts('a notify period as text', notify('600')),
    accepts('a notify period from a parameter', notify('{{RawParam.N}}')),
    accepts('a mode from a parameter', { cancelation: { mode: '{{Param.N}}' } }),
  ]);
  refuseTable([
    refuses('a timeout of 0 as text', { timeout: '0' }, '.timeout', 'an integer of 1 or more'),
    refuses('a negative timeout as text', { timeout: '-5' }, '.timeout', 'an integer of 1 or more'),
    refuses('a fraction as text', { timeout: '1.5' }, '.timeout', 'found the text "1.5"'),
    refuses('a word', { timeout: 'long' }, '.timeout', 'found the text "long"'),
    refuses('empty text', { timeout: '' }, '.timeout', 'found empty text'),
    refuses('text with spaces', { timeout: ' 5' }, '.timeout', 'an integer of 1 or more'),
    refuses('an unknown parameter', { timeout: '{{Param.M}}' }, '.timeout', 'no job parameter "M"'),
    refuses('an open brace', { timeout: '{{Param.N' }, '.timeout', 'never closed'),
    refuses(
      'a notify period of 601 as text',
      notify('601'),
      '.cancelation.notifyPeriodInSeconds',
      'from 1 to 600',
    ),
    refuses(
      'a notify period of 0 as text',
      notify('0'),
      '.cancelation.notifyPeriodInSeconds',
      'from 1 to 600',
    ),
    refuses(
      'another mode',
      { cancelation: { mode: 'KILL' } },
      '.cancelation.mode',
      'one of TERMINATE',
    ),
    refuses(
      'a mode with an unknown parameter',
      { cancelation: { mode: '{{Param.M}}' } },
      '.cancelation.mode',
      'no job parameter "M"',
    ),
    [
      'a timeout as text without the extension',
      { run: { timeout: '60' } },
      `${onRun}.timeout`,
      'a timeout as text belongs to the FEATURE_BUNDLE_1 extension; add FEATURE_BUNDLE_1',
    ],
    [
      'a timeout from a parameter without the extension',
      { parameters, run: { timeout: '{{Param.N}}' } },
      `${onRun}.timeout`,
      'add FEATURE_BUNDLE_1',
    ],
    [
      'a notify period as text without the extension',
      { run: notify('60') },
      `${onRun}.cancelation.notifyPeriodInSeconds`,
      'a notify period as text belongs to the FEATURE_BUNDLE_1',
    ],
    [
      'a mode from a parameter without the extension',
      { parameters, run: { cancelation: { mode: '{{Param.N}}' } } },
      `${onRun}.cancelation.mode`,
      'a mode with references belongs to the FEATURE_BUNDLE_1',
    ],
    [
      'text in an environment without the extension',
      {
        root: {
          jobEnvironments: [
            { name: 'E', script: { actions: { onExit: { command: 'a', timeout: '1' } } } },
          ],
        },
      },
      'jobEnvironments[0].script.actions.onExit.timeout',
      'add FEATURE_BUNDLE_1',
    ],
  ]);

  test('are numbers in the job, once its parameters are known', () => {
    const parts = run({ timeout: '1{{Param.N}}', ...notify('{{Param.N}}') });
    expect(created(parts, { N: '20' }).steps[0]?.script.onRun).toMatchObject({
      timeoutSeconds: 120,
      cancelation: { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodSeconds: 20 },
    });
    expect(refused(parts, { N: '601' })).toEqual([
      `${onRun}.cancelation.notifyPeriodInSeconds: expected an integer from 1 to 600, found the text "601"`,
    ]);
    expect(refused(run({ timeout: '{{Param.N}}' }), { N: '0' })).toEqual([
      `${onRun}.timeout: expected an integer of 1 or more, found the text "0"`,
    ]);
  });

  test('a mode is one of the two once it is known', () => {
    const parts = run({ cancelation: { mode: '{{Param.N}}', notifyPeriodInSeconds: 7 } });
    const cancelation = (N: string) => created(parts, { N }).steps[0]?.script.onRun.cancelation;
    expect(cancelation('TERMINATE')).toEqual({ mode: 'TERMINATE' });
    expect(cancelation('NOTIFY_THEN_TERMINATE')).toEqual({
      mode: 'NOTIFY_THEN_TERMINATE',
      notifyPeriodSeconds: 7,
    });
    expect(refused(parts, { N: 'KILL' })).toEqual([
      `${onRun}.cancelation.mode: expected one of TERMINATE, NOTIFY_THEN_TERMINATE, found "KILL"`,
    ]);
  });

  test('literal text is a number in the template already', () => {
    const template = accepted(templateWith(run({ timeout: '0060' })));
    expect(template.steps[0]?.script?.actions.onRun.timeout).toBe(60);
    expect(accepted(JSON.parse(JSON.stringify(template)))).toEqual(template);
  });
});

const session = {
  workingDirectory: '/session',
  files: { Script: '/session/script' },
  hasPathMappingRules: false,
  pathMappingRulesFile: '/session/rules.json',
  pathParameterValues: {},
};

describe('endOfLine', () => {
  const withFile = (change: Record<string, unknown>) => ({
    script: { embeddedFiles: [{ ...file, data: 'a\r\nb\nc', ...change }] },
  });
  acceptTable(
    ['AUTO', 'LF', 'CRLF'].map(
      (endOfLine): AcceptedCase => [endOfLine, bundled(withFile({ endOfLine }))],
    ),
  );
  const at = 'steps[0].script.embeddedFiles[0].endOfLine';
  refuseTable([
    ['another', bundled(withFile({ endOfLine: 'CR' })), at, 'one of AUTO, LF, CRLF'],
    ['lower case', bundled(withFile({ endOfLine: 'lf' })), at, 'did you mean "LF"?'],
    ['null', bundled(withFile({ endOfLine: null })), at, 'nothing (null)'],
    [
      'any without the extension',
      withFile({ endOfLine: 'LF' }),
      at,
      'endOfLine belongs to the FEATURE_BUNDLE_1',
    ],
  ]);
  test.each([
    [undefined, 'LF', 'a\r\nb\nc'],
    ['LF', 'CRLF', 'a\nb\nc'],
    ['CRLF', 'LF', 'a\r\nb\r\nc'],
    ['AUTO', 'LF', 'a\nb\nc'],
    ['AUTO', 'CRLF', 'a\r\nb\r\nc'],
  ] as const)('%s on a host with %s writes its own', (endOfLine, hostEndOfLine, data) => {
    const job = created(bundled(withFile({ endOfLine })));
    const [step] = job.steps;
    if (step === undefined) throw new Error('no step');
    expect(resolveEmbeddedFiles(job, step, {}, { ...session, hostEndOfLine })[0]?.data).toBe(data);
  });
});
