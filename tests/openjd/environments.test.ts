import { createJob, resolvedJobSchema } from '@karst/shared/openjd/create-job.ts';
import {
  resolveEnvironmentAction,
  resolveEnvironmentFiles,
  resolveEnvironmentVariables,
} from '@karst/shared/openjd/environments.ts';
import { describe, expect, test } from 'vitest';
import {
  accepted,
  acceptedEnvironment,
  environmentTemplateWith,
  lines,
  templateWith,
} from './cases.ts';
import { created, refused } from './creating.ts';

const parameters = [
  { name: 'Scene', type: 'PATH', default: 'scene.blend' },
  { name: 'Port', type: 'INT', default: 8000 },
  { name: 'Text', type: 'STRING', default: 'x' },
];
const server = {
  name: 'Server',
  description: 'Keeps the scene loaded.',
  variables: {
    PORT: '{{Param.Port}}',
    HOME: '{{Session.WorkingDirectory}}',
    CONF: '{{Env.File.Conf}}',
  },
  script: {
    actions: {
      onEnter: { command: '{{Env.File.Start}}', args: ['{{Param.Scene}}', '{{RawParam.Scene}}'] },
      onExit: { command: 'stop', cancelation: { mode: 'NOTIFY_THEN_TERMINATE' } },
    },
    embeddedFiles: [
      {
        name: 'Start',
        type: 'TEXT',
        filename: 'start.sh',
        runnable: true,
        data: 'run {{Env.File.Conf}}',
      },
      { name: 'Conf', type: 'TEXT', data: 'port={{Param.Port}}' },
    ],
  },
};
const session = {
  workingDirectory: '/session',
  files: { Start: '/session/env/start.sh', Conf: '/session/env/Conf' },
  hasPathMappingRules: true,
  pathMappingRulesFile: '/session/rules.json',
  pathParameterValues: { Scene: '/cache/scene.blend' },
};

function job() {
  const made = created({ parameters, root: { jobEnvironments: [server] } });
  const environment = made.jobEnvironments?.[0];
  if (environment === undefined) throw new Error('no environment');
  return { made, environment };
}

describe('environments of a job', () => {
  test('have their defaults filled in, and leave references to the node', () => {
    const { made, environment } = job();
    expect(environment).toEqual({
      name: 'Server',
      variables: server.variables,
      script: {
        onEnter: { ...server.script.actions.onEnter, cancelation: { mode: 'TERMINATE' } },
        onExit: {
          command: 'stop',
          args: [],
          timeoutSeconds: 300,
          cancelation: { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodSeconds: 30 },
        },
        embeddedFiles: [
          { name: 'Start', filename: 'start.sh', runnable: true, data: 'run {{Env.File.Conf}}' },
          { name: 'Conf', filename: 'Conf', runnable: false, data: 'port={{Param.Port}}' },
        ],
      },
    });
    expect(resolvedJobSchema.parse(JSON.parse(JSON.stringify(made)))).toEqual(made);
  });

  test('a timeout of its own replaces the default of onExit', () => {
    const actions = { onExit: { command: 'stop', timeout: 7 } };
    const made = created({ root: { jobEnvironments: [{ name: 'E', script: { actions } }] } });
    expect(made.jobEnvironments?.[0]?.script?.onExit?.timeoutSeconds).toBe(7);
    expect(made.jobEnvironments?.[0]?.script?.onEnter).toBeUndefined();
  });

  test('come from outside first, then from the job; steps have their own', () => {
    const template = accepted(
      templateWith({
        root: { jobEnvironments: [{ name: 'Own', variables: { A: '1' } }] },
        step: { stepEnvironments: [{ name: 'Step', variables: { A: '2' } }] },
      }),
    );
    const outside = ['One', 'Two'].map((name) =>
      acceptedEnvironment(
        environmentTemplateWith({ environment: { name, variables: { B: '3' } } }),
      ),
    );
    const made = createJob(template, {}, { environments: outside });
    if (!made.ok) throw new Error(lines(made.error).join('\n'));
    expect(made.value.jobEnvironments?.map(({ name }) => name)).toEqual(['One', 'Two', 'Own']);
    expect(made.value.steps[0]?.environments).toEqual([{ name: 'Step', variables: { A: '2' } }]);
  });

  test('a job without any has no key for them', () => {
    const made = created({});
    expect(Object.keys(made)).toEqual(['name', 'parameters', 'steps']);
    expect(Object.keys(made.steps[0] ?? {})).toEqual(['name', 'dependsOn', 'taskCount', 'script']);
  });

  test('what the values decide is checked, each at its place', () => {
    const environment = {
      name: 'E',
      variables: { A: '{{Param.Text}}' },
      script: { actions: { onEnter: { command: 'a', args: ['{{Param.Text}}'] } } },
    };
    const own = { parameters, root: { jobEnvironments: [environment] } };
    expect(refused(own, { Text: 'a\0' })).toEqual([
      "jobEnvironments[0].variables.A: {{Param.Text}} puts U+0000 here; expected a variable's value without NUL characters",
      'jobEnvironments[0].script.actions.onEnter.args[0]: {{Param.Text}} puts U+0000 here; expected an argument without NUL characters',
    ]);
    const outside = acceptedEnvironment(
      environmentTemplateWith({
        extensions: ['FEATURE_BUNDLE_1'],
        parameterDefinitions: [{ name: 'Limit', type: 'INT', default: 0 }],
        environment: {
          name: 'E',
          script: { actions: { onEnter: { command: 'a', timeout: '{{Param.Limit}}' } } },
        },
      }),
    );
    expect(refused({}, {}, { environments: [outside] })).toEqual([
      'environments[0].environment.script.actions.onEnter.timeout: expected an integer of 1 or more, found the text "0"',
    ]);
  });
});

describe('what the agent runs of an environment', () => {
  test('its actions, paths local to the node', () => {
    const { made, environment } = job();
    expect(resolveEnvironmentAction(made, environment, 'onEnter', session)).toEqual({
      command: '/session/env/start.sh',
      args: ['/cache/scene.blend', 'scene.blend'],
      cancelation: { mode: 'TERMINATE' },
    });
    expect(resolveEnvironmentAction(made, environment, 'onExit', session)?.timeoutSeconds).toBe(
      300,
    );
  });

  test('its variables', () => {
    const { made, environment } = job();
    expect(resolveEnvironmentVariables(made, environment, session)).toEqual({
      PORT: '8000',
      HOME: '/session',
      CONF: '/session/env/Conf',
    });
  });

  test('its files', () => {
    const { made, environment } = job();
    expect(resolveEnvironmentFiles(made, environment, session)).toEqual([
      { name: 'Start', filename: 'start.sh', runnable: true, data: 'run /session/env/Conf' },
      { name: 'Conf', filename: 'Conf', runnable: false, data: 'port=8000' },
    ]);
  });

  test('nothing, where it has nothing', () => {
    const { made } = job();
    const bare = { name: 'E', variables: { A: 'b' } };
    expect(resolveEnvironmentAction(made, bare, 'onEnter', session)).toBeUndefined();
    expect(resolveEnvironmentFiles(made, bare, session)).toEqual([]);
    const script = { name: 'E', script: { embeddedFiles: [] } };
    expect(resolveEnvironmentVariables(made, script, session)).toEqual({});
    expect(resolveEnvironmentAction(made, script, 'onExit', session)).toBeUndefined();
  });

  test('a file the session does not give is a bug of the caller', () => {
    const { made, environment } = job();
    expect(() =>
      resolveEnvironmentAction(made, environment, 'onEnter', { ...session, files: {} }),
    ).toThrow('Env.File.Start');
  });
});

describe('where relative paths start', () => {
  const path = (more: Record<string, unknown>) => ({
    parameters: [{ name: 'P', type: 'PATH', ...more }],
  });
  const bases = { templateDir: '/bundles/shot', currentDir: '/home/ada' };
  test.each<[string, Record<string, unknown>, Record<string, string>, string]>([
    ['a default in the template', { default: 'a/./b' }, {}, '/bundles/shot/a/b'],
    ['a default that is the template itself', { default: '.' }, {}, '/bundles/shot'],
    ['an empty default', { default: '' }, {}, ''],
    ['a value where it was given', {}, { P: 'a' }, '/home/ada/a'],
    ['a value that walks up', {}, { P: '../bob/a' }, '/home/bob/a'],
    ['a value that walks up too far', {}, { P: '../../../../a' }, '/a'],
    ['an absolute value', {}, { P: '/data/a' }, '/data/a'],
    ['an allowed value as it is written', { allowedValues: ['a', 'b'] }, { P: 'b' }, '/home/ada/b'],
  ])('%s', (_title, definition, values, wanted) => {
    expect(created(path(definition), values, bases).parameters.P?.value).toBe(wanted);
  });

  test('a Windows directory is joined its own way', () => {
    const windows = { templateDir: 'C:\\shot', currentDir: 'D:\\work' };
    expect(created(path({ default: 'a/b' }), {}, windows).parameters.P?.value).toBe(
      'C:\\shot\\a\\b',
    );
    expect(created(path({}), { P: '..\\x' }, windows).parameters.P?.value).toBe('D:\\x');
  });

  test('constraints hold for the joined path', () => {
    expect(refused(path({ default: 'a', maxLength: 5 }), {}, bases)).toEqual([
      expect.stringContaining('at most 5 characters (maxLength), found 15 characters'),
    ]);
    expect(created(path({ minLength: 8 }), { P: 'a' }, bases).parameters.P?.value).toBe(
      '/home/ada/a',
    );
    expect(refused(path({ allowedValues: ['a'] }), { P: 'b' }, bases)).toEqual([
      expect.stringContaining('one of the allowed values "a"'),
    ]);
  });
});
