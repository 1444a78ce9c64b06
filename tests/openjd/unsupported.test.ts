import { validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import { describe, expect, test } from 'vitest';
import { expectRefused, lines, refuseTable, templateWith } from './cases.ts';

const expression = (type: string): [string, object, string, string] => [
  `the parameter type ${type}`,
  { parameters: [{ name: 'P', type }] },
  'parameterDefinitions[0].type',
  `${type} belongs to the EXPR extension, which is not supported yet`,
];
const simple = (key: string): [string, object, string, string] => [
  `the simple action ${key}`,
  { step: { script: undefined, [key]: { script: 'x' } } },
  `steps[0].${key}`,
  `${key} belongs to the FEATURE_BUNDLE_1 extension, which is not supported yet`,
];

describe('what is not supported is refused by name', () => {
  refuseTable([
    [
      'jobEnvironments',
      { root: { jobEnvironments: [] } },
      'jobEnvironments',
      'jobEnvironments is not supported yet',
    ],
    [
      'stepEnvironments',
      { step: { stepEnvironments: [] } },
      'steps[0].stepEnvironments',
      'stepEnvironments is not supported yet',
    ],
    [
      'hostRequirements',
      { step: { hostRequirements: {} } },
      'steps[0].hostRequirements',
      'hostRequirements is not supported yet',
    ],
    ['let in a step', { step: { let: [] } }, 'steps[0].let', 'let belongs to the EXPR extension'],
    [
      'let in a script',
      { script: { let: [] } },
      'steps[0].script.let',
      'let belongs to the EXPR extension',
    ],
    [
      'a simple action in a script',
      { script: { bash: {} } },
      'steps[0].script.bash',
      'FEATURE_BUNDLE_1',
    ],
    ...['bash', 'cmd', 'node', 'powershell', 'python'].map(simple),
    ...[
      'BOOL',
      'RANGE_EXPR',
      'LIST[STRING]',
      'LIST[PATH]',
      'LIST[INT]',
      'LIST[FLOAT]',
      'LIST[BOOL]',
      'LIST[LIST[INT]]',
    ].map(expression),
    [
      'CHUNK[INT]',
      {
        space: {
          taskParameterDefinitions: [
            { name: 'F', type: 'CHUNK[INT]', range: '1-10', chunks: { defaultTaskCount: 2 } },
          ],
        },
      },
      'steps[0].parameterSpace.taskParameterDefinitions[0].type',
      'CHUNK[INT] belongs to the TASK_CHUNKING extension, which is not supported yet',
    ],
    [
      'endOfLine',
      { script: { embeddedFiles: [{ name: 'F', type: 'TEXT', data: 'x', endOfLine: 'LF' }] } },
      'steps[0].script.embeddedFiles[0].endOfLine',
      'endOfLine belongs to the FEATURE_BUNDLE_1 extension',
    ],
    [
      'a timeout as text',
      { run: { timeout: '60' } },
      'steps[0].script.actions.onRun.timeout',
      'FEATURE_BUNDLE_1 extension, which is not supported yet',
    ],
    [
      'Job.Name',
      { run: { args: ['{{Job.Name}}'] } },
      'steps[0].script.actions.onRun.args[0]',
      'Job.Name belongs to the EXPR extension',
    ],
    [
      'an expression',
      { run: { args: ['{{ 1 + 1 }}'] } },
      'steps[0].script.actions.onRun.args[0]',
      'EXPR extension, which is not supported yet',
    ],
    [
      'a range of STRING as an expression',
      {
        space: { taskParameterDefinitions: [{ name: 'S', type: 'STRING', range: '{{Param.X}}' }] },
      },
      'steps[0].parameterSpace.taskParameterDefinitions[0].range',
      'a list of STRING values',
    ],
  ]);

  test('each extension is named, whichever it is', () => {
    const names = ['EXPR', 'TASK_CHUNKING', 'FEATURE_BUNDLE_1', 'REDACTED_ENV_VARS', 'MY_OWN'];
    for (const name of names) {
      expectNamed(name);
    }
  });

  test('an environment template is called one', () => {
    expectRefused(
      { specificationVersion: 'environment-2023-09', environment: { name: 'E' } },
      'specificationVersion',
      'environment templates are not supported yet',
    );
  });
});

function expectNamed(name: string): void {
  const refused = validateTemplate(templateWith({ root: { extensions: [name] } }));
  expect(refused.ok ? [] : lines(refused.error)).toEqual([
    'extensions: extensions are not supported yet',
    `extensions[0]: the extension "${name}" is not supported yet`,
  ]);
}
