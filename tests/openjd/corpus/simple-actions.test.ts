import { resolveAction, resolveEmbeddedFiles } from '@karst/shared/openjd/resolve-task.ts';
import { describe, expect, test } from 'vitest';
import {
  type AcceptedCase,
  accepted,
  acceptTable,
  type RefusedCase,
  refuseTable,
  type TemplateParts,
  templateWith,
} from '../cases.ts';
import { created, refused } from '../creating.ts';

const bundled = (parts: TemplateParts): TemplateParts => ({
  ...parts,
  root: { extensions: ['FEATURE_BUNDLE_1'], ...parts.root },
});
const parameters = [{ name: 'N', type: 'STRING', default: '5' }];
const file = { name: 'F', type: 'TEXT', data: 'x' };
const notice = { cancelation: { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodInSeconds: 5 } };
const session = {
  workingDirectory: '/session',
  files: { Script: '/session/script' },
  hasPathMappingRules: false,
  pathMappingRulesFile: '/session/rules.json',
  pathParameterValues: {},
};

describe('simple actions', () => {
  const simple = (key: string, change: Record<string, unknown> = {}) =>
    bundled({
      parameters,
      step: { script: undefined, [key]: { script: 'say {{Param.N}}', ...change } },
    });
  const interpreters = ['bash', 'cmd', 'node', 'powershell', 'python'];
  acceptTable([
    ...interpreters.map((key): AcceptedCase => [key, simple(key)]),
    ['every key', simple('bash', { args: ['a'], timeout: '5', ...notice })],
    ['a script of several lines', simple('python', { script: 'a\n\tb\r\n' })],
    [
      'a task parameter',
      {
        ...simple('bash', { args: ['{{Task.Param.F}}'] }),
        space: { taskParameterDefinitions: [{ name: 'F', type: 'INT', range: '1' }] },
      },
    ],
  ]);
  refuseTable([
    ...interpreters.map(
      (key): RefusedCase => [
        `${key} without the extension`,
        { step: { script: undefined, [key]: { script: 'x' } } },
        `steps[0].${key}`,
        `${key} belongs to the FEATURE_BUNDLE_1 extension; add FEATURE_BUNDLE_1 to the template's extensions`,
      ],
    ),
    ...interpreters.map(
      (key): RefusedCase => [
        `${key} in a script`,
        bundled({ script: { [key]: { script: 'x' } } }),
        `steps[0].script.${key}`,
        `${key} stands in the step itself`,
      ],
    ),
    [
      'a script beside it',
      bundled({ step: { bash: { script: 'x' } } }),
      'steps[0].bash',
      'this one has script already',
    ],
    [
      'two of them',
      bundled({ step: { script: undefined, bash: { script: 'x' }, python: { script: 'x' } } }),
      'steps[0].python',
      'this one has bash already',
    ],
    [
      'neither it nor a script',
      bundled({ step: { script: undefined } }),
      'steps[0].script',
      'needs the key "script"',
    ],
    [
      'text',
      bundled({ step: { script: undefined, bash: 'echo' } }),
      'steps[0].bash',
      'a simple action (a map)',
    ],
    [
      'no script text',
      simple('bash', { script: undefined }),
      'steps[0].bash.script',
      'needs the key "script"',
    ],
    [
      'an empty script text',
      simple('bash', { script: '' }),
      'steps[0].bash.script',
      'at least 1 character',
    ],
    [
      'let',
      simple('bash', { let: ['a = 1'] }),
      'steps[0].bash.let',
      'let belongs to the EXPR extension',
    ],
    [
      'a command',
      simple('bash', { command: 'x' }),
      'steps[0].bash.command',
      'unknown key "command"',
    ],
    [
      'embedded files',
      simple('bash', { embeddedFiles: [file] }),
      'steps[0].bash.embeddedFiles',
      'unknown key',
    ],
    [
      'a file of its own',
      simple('bash', { script: '{{Task.File.Script}}' }),
      'steps[0].bash.script',
      'no embedded file "Script"',
    ],
    [
      'a timeout of 0',
      simple('bash', { timeout: 0 }),
      'steps[0].bash.timeout',
      'an integer of 1 or more',
    ],
    [
      'an unknown interpreter',
      bundled({ step: { ruby: { script: 'x' } } }),
      'steps[0].ruby',
      'unknown key "ruby"',
    ],
    ['an argument with a tab', simple('cmd', { args: ['a\tb'] }), 'steps[0].cmd.args[0]', 'U+0009'],
  ]);

  test.each([
    ['bash', 'script.sh', []],
    ['cmd', 'script.bat', ['/C']],
    ['node', 'script.js', []],
    ['powershell', 'script.ps1', ['-File']],
    ['python', 'script.py', []],
  ])('%s runs its script from a file', (key, filename, before) => {
    const job = created(simple(key, { args: ['-v', '{{Param.N}}'], timeout: 9 }), { N: '7' });
    const [step] = job.steps;
    if (step === undefined) throw new Error('no step');
    expect(resolveAction(job, step, {}, session)).toEqual({
      command: key,
      args: [...before, '/session/script', '-v', '7'],
      timeoutSeconds: 9,
      cancelation: { mode: 'TERMINATE' },
    });
    expect(resolveEmbeddedFiles(job, step, {}, session)).toEqual([
      { name: 'Script', filename, runnable: false, data: 'say 7' },
    ]);
  });

  test('a value with NUL is refused at the argument it was written in', () => {
    expect(refused(simple('powershell', { args: ['{{Param.N}}'] }), { N: 'a\0' })).toEqual([
      expect.stringContaining('steps[0].powershell.args[0]: {{Param.N}} puts U+0000 here'),
    ]);
  });

  test('the template keeps the short form', () => {
    const template = accepted(templateWith(simple('bash', { args: ['a'] })));
    expect(template.steps[0]).toEqual({
      name: 'Render',
      bash: { script: 'say {{Param.N}}', args: ['a'] },
    });
    expect(accepted(JSON.parse(JSON.stringify(template)))).toEqual(template);
  });
});
