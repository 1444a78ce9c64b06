import { validateEnvironmentTemplate } from '@karst/shared/openjd/parse-environment.ts';
import { describe, expect, test } from 'vitest';
import { expectRefused, lines, templateWith } from './cases.ts';

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
