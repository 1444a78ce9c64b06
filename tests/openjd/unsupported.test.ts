import { validateEnvironmentTemplate } from '@karst/shared/openjd/parse-environment.ts';
import { validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import { type Feature, unsupportedFeatures } from '@karst/shared/openjd/unsupported-features.ts';
import { describe, expect, test } from 'vitest';
import { accepted, expectRefused, lines, refuseTable, templateWith } from './cases.ts';

const expression = (type: string): [string, object, string, string] => [
  `the parameter type ${type}`,
  { parameters: [{ name: 'P', type }] },
  'parameterDefinitions[0].type',
  `${type} belongs to the EXPR extension, which is not supported yet`,
];
const script = (actions: Record<string, unknown>) => ({
  root: { jobEnvironments: [{ name: 'E', script: { actions } }] },
});

describe('what is not supported is refused by name', () => {
  refuseTable([
    ['let in a step', { step: { let: [] } }, 'steps[0].let', 'let belongs to the EXPR extension'],
    [
      'let in a script',
      { script: { let: [] } },
      'steps[0].script.let',
      'let belongs to the EXPR extension',
    ],
    [
      'let in the script of an environment',
      {
        root: {
          jobEnvironments: [
            { name: 'E', script: { let: [], actions: { onEnter: { command: 'a' } } } },
          ],
        },
      },
      'jobEnvironments[0].script.let',
      'let belongs to the EXPR extension',
    ],
    ...['onWrapEnvEnter', 'onWrapTaskRun', 'onWrapEnvExit'].map(
      (key): [string, object, string, string] => [
        key,
        script({ onEnter: { command: 'a' }, [key]: { command: 'b' } }),
        `jobEnvironments[0].script.actions.${key}`,
        `${key} belongs to the WRAP_ACTIONS extension, which is not supported yet`,
      ],
    ),
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
      'Job.Name',
      { run: { args: ['{{Job.Name}}'] } },
      'steps[0].script.actions.onRun.args[0]',
      'Job.Name belongs to the EXPR extension',
    ],
    [
      'Step.Name',
      { run: { args: ['{{Step.Name}}'] } },
      'steps[0].script.actions.onRun.args[0]',
      'Step.Name belongs to the EXPR extension',
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

  test.each(['EXPR', 'WRAP_ACTIONS', 'SERVICE', 'MY_OWN'])('the extension %s', (name) => {
    const value = templateWith({ root: { extensions: [name] } });
    expectRefused(value, 'extensions[0]', `the extension "${name}" is not supported yet`);
  });

  test('a template of the other kind is called what it is', () => {
    const environment = {
      specificationVersion: 'environment-2023-09',
      environment: { name: 'E', variables: { A: 'b' } },
    };
    expectRefused(
      environment,
      'specificationVersion',
      'expected a job template (jobtemplate-2023-09), found an environment template',
    );
    const job = validateEnvironmentTemplate(templateWith());
    expect(job.ok ? [] : lines(job.error)).toEqual([
      'specificationVersion: expected an environment template (environment-2023-09), found a job template (jobtemplate-2023-09)',
    ]);
  });
});

describe('what a farm cannot run yet', () => {
  const environments = [{ name: 'E', variables: { A: 'b' } }];
  const everything = templateWith({
    root: {
      extensions: ['TASK_CHUNKING'],
      jobEnvironments: [{ name: 'J', variables: { A: 'b' } }],
    },
    step: {
      stepEnvironments: environments,
      hostRequirements: { amounts: [{ name: 'amount.worker.gpu', min: 1 }] },
    },
    space: {
      taskParameterDefinitions: [
        {
          name: 'F',
          type: 'CHUNK[INT]',
          range: '1-10',
          chunks: { defaultTaskCount: 2, rangeConstraint: 'CONTIGUOUS' },
        },
      ],
    },
  });

  test('is named at its place', () => {
    expect(lines(unsupportedFeatures(accepted(everything)))).toEqual([
      'jobEnvironments: jobEnvironments is not supported yet on this farm',
      'steps[0].stepEnvironments: stepEnvironments is not supported yet on this farm',
      'steps[0].hostRequirements: hostRequirements is not supported yet on this farm',
      'steps[0].parameterSpace.taskParameterDefinitions[0].type: the task parameter type CHUNK[INT] is not supported yet on this farm',
    ]);
  });

  test.each<[Feature, number]>([
    ['environments', 2],
    ['hostRequirements', 3],
    ['chunks', 3],
  ])('is silent about %s when the farm can run them', (feature, left) => {
    const problems = unsupportedFeatures(accepted(everything), new Set([feature]));
    expect(problems).toHaveLength(left);
    expect(validateTemplate(everything).ok).toBe(true);
  });

  test('is nothing in a plain template', () => {
    expect(unsupportedFeatures(accepted(templateWith()))).toEqual([]);
  });
});
