import { validateEnvironmentTemplate } from '@karst/shared/openjd/parse-environment.ts';
import { validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import type { Problem } from '@karst/shared/openjd/problem.ts';
import { printPath } from '@karst/shared/openjd/problem.ts';
import type { EnvironmentTemplate, JobTemplate } from '@karst/shared/openjd/types.ts';
import { expect } from 'vitest';

/** Parts of a template; `run` and `space` are short for the places every table changes. */
export interface TemplateParts {
  root?: Record<string, unknown>;
  parameters?: unknown;
  step?: Record<string, unknown>;
  script?: Record<string, unknown>;
  run?: Record<string, unknown>;
  space?: unknown;
}

/** A small valid template with the given parts put in. A part set to undefined is left out. */
export function templateWith(parts: TemplateParts = {}): unknown {
  const template = {
    specificationVersion: 'jobtemplate-2023-09',
    name: 'job',
    parameterDefinitions: parts.parameters,
    steps: [
      {
        name: 'Render',
        parameterSpace: parts.space,
        script: { actions: { onRun: { command: 'render', ...parts.run } }, ...parts.script },
        ...parts.step,
      },
    ],
    ...parts.root,
  };
  return JSON.parse(JSON.stringify(template));
}

/** `path: message` lines, for comparing and for showing. */
export function lines(problems: readonly Problem[]): string[] {
  return problems.map(({ path, message }) => `${printPath(path)}: ${message}`);
}

/** The template when it is valid; otherwise fails, showing why. */
export function accepted(value: unknown): JobTemplate {
  const result = validateTemplate(value);
  if (!result.ok) throw new Error(lines(result.error).join('\n'));
  return result.value;
}

/** A small valid environment template with the given keys put in; undefined leaves one out. */
export function environmentTemplateWith(root: Record<string, unknown> = {}): unknown {
  const template = {
    specificationVersion: 'environment-2023-09',
    environment: { name: 'Env', variables: { A: 'b' } },
    ...root,
  };
  return JSON.parse(JSON.stringify(template));
}

/** The environment template when it is valid; otherwise fails, showing why. */
export function acceptedEnvironment(value: unknown): EnvironmentTemplate {
  const result = validateEnvironmentTemplate(value);
  if (!result.ok) throw new Error(lines(result.error).join('\n'));
  return result.value;
}

/** Fails unless the template is refused at `path`, for `reason`, and for nothing else. */
export function expectRefused(value: unknown, path: string, reason: string): void {
  const result = validateTemplate(value);
  const found = result.ok ? ['(accepted)'] : lines(result.error);
  expect(found).toEqual([expect.stringContaining(reason)]);
  expect(result.ok ? [] : result.error.map((problem) => printPath(problem.path))).toEqual([path]);
}
