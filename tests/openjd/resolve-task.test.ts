import { createJob } from '@karst/shared/openjd/create-job.ts';
import { taskParameters } from '@karst/shared/openjd/parameter-space.ts';
import {
  resolveAction,
  resolveEmbeddedFiles,
  type SessionValues,
} from '@karst/shared/openjd/resolve-task.ts';
import { describe, expect, test } from 'vitest';
import { accepted, lines, templateWith } from './cases.ts';

const session: SessionValues = {
  workingDirectory: '/session',
  files: { Run: '/session/files/run.sh' },
  hasPathMappingRules: true,
  pathMappingRulesFile: '/session/rules.json',
  pathParameterValues: { Scene: '/cache/orbit.blend' },
  pathTaskParameterValues: { Texture: '/cache/wood.png' },
};

function renderStep(run: Record<string, unknown>, data = 'x') {
  const template = accepted(
    templateWith({
      parameters: [
        { name: 'Scene', type: 'PATH', dataFlow: 'IN' },
        { name: 'Out', type: 'PATH', dataFlow: 'OUT' },
        { name: 'Shot', type: 'STRING' },
      ],
      space: {
        taskParameterDefinitions: [
          { name: 'Frame', type: 'INT', range: '1-3' },
          { name: 'Texture', type: 'PATH', range: ['wood.png'] },
        ],
      },
      run,
      script: {
        embeddedFiles: [{ name: 'Run', type: 'TEXT', filename: 'run.sh', runnable: true, data }],
      },
    }),
  );
  const values = { Scene: 'orbit.blend', Out: 'frames', Shot: 'a b; {{Param.Out}}' };
  const job = createJob(template, values);
  if (!job.ok) throw new Error(lines(job.error).join('\n'));
  const [step] = job.value.steps;
  if (step === undefined) throw new Error('no step');
  return { job: job.value, step, parameters: taskParameters(step.parameterSpace, 1) };
}

describe('what the agent runs', () => {
  test('a PATH parameter is its local path, its raw form is what was given', () => {
    const { job, step, parameters } = renderStep({
      command: '{{Task.File.Run}}',
      args: [
        '{{Param.Scene}}',
        '{{RawParam.Scene}}',
        '{{Param.Out}}',
        '{{Task.Param.Texture}}',
        '{{Task.RawParam.Texture}}',
      ],
    });
    expect(resolveAction(job, step, parameters, session)).toEqual({
      command: '/session/files/run.sh',
      args: ['/cache/orbit.blend', 'orbit.blend', 'frames', '/cache/wood.png', 'wood.png'],
      cancelation: { mode: 'TERMINATE' },
    });
  });

  test('values go in as they are: one argument stays one, and nothing is resolved twice', () => {
    const { job, step, parameters } = renderStep({
      args: ['{{Param.Shot}}', '-f{{ Task.Param.Frame }}', '{{Task.RawParam.Frame}}', ''],
      timeout: 30,
    });
    expect(resolveAction(job, step, parameters, session)).toEqual({
      command: 'render',
      args: ['a b; {{Param.Out}}', '-f2', '2', ''],
      timeoutSeconds: 30,
      cancelation: { mode: 'TERMINATE' },
    });
  });

  test('the session describes itself', () => {
    const names = ['WorkingDirectory', 'HasPathMappingRules', 'PathMappingRulesFile'];
    const { job, step, parameters } = renderStep({
      args: names.map((name) => `{{Session.${name}}}`),
    });
    const { args } = resolveAction(job, step, parameters, session);
    expect(args).toEqual(['/session', 'true', '/session/rules.json']);
    const without = resolveAction(job, step, parameters, {
      ...session,
      hasPathMappingRules: false,
    });
    expect(without.args[1]).toBe('false');
  });

  test('embedded files are resolved for each task', () => {
    const { job, step, parameters } = renderStep(
      {},
      '#!/bin/sh\necho {{Task.Param.Frame}} {{Task.File.Run}}\n',
    );
    expect(resolveEmbeddedFiles(job, step, parameters, session)).toEqual([
      {
        name: 'Run',
        filename: 'run.sh',
        runnable: true,
        data: '#!/bin/sh\necho 2 /session/files/run.sh\n',
      },
    ]);
  });

  test('a symbol the session does not give is a bug of the caller', () => {
    const { job, step, parameters } = renderStep({ args: ['{{Task.File.Run}}'] });
    expect(() => resolveAction(job, step, parameters, { ...session, files: {} })).toThrow(
      'Task.File.Run',
    );
  });
});
