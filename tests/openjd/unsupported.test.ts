import { validateEnvironmentTemplate } from '@karst/shared/openjd/parse-environment.ts';
import { validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import { type Feature, unsupportedFeatures } from '@karst/shared/openjd/unsupported-features.ts';
import { describe, expect, test } from 'vitest';
import { accepted, expectRefused, lines, templateWith } from './cases.ts';

describe('kinds of templates', () => {
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
