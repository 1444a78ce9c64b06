import { describe, test } from 'vitest';
import { accepted, expectRefused, type TemplateParts, templateWith } from '../cases.ts';

/** Every position of a job template that takes references, and what stands in it. */
type Kind = 'template' | 'host' | 'environment';

const file = (name: string, data: string) => ({ name, type: 'TEXT', data });
const environment = (change: Record<string, unknown>) => ({
  name: 'E',
  script: {
    actions: { onEnter: { command: 'a', ...change } },
    embeddedFiles: [file('Setup', 'x')],
  },
});
const cancelation = (notifyPeriodInSeconds: string) => ({
  cancelation: { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodInSeconds },
});
const chunks = (change: Record<string, unknown>) => ({
  taskParameterDefinitions: [
    {
      name: 'Frame',
      type: 'CHUNK[INT]',
      range: '1-3',
      chunks: { defaultTaskCount: 1, rangeConstraint: 'CONTIGUOUS', ...change },
    },
  ],
});
const onRun = 'steps[0].script.actions.onRun';
const space = 'steps[0].parameterSpace.taskParameterDefinitions[0]';

const positions: [path: string, kind: Kind, parts: (text: string) => TemplateParts][] = [
  ['name', 'template', (text) => ({ root: { name: text } })],
  [`${onRun}.command`, 'host', (text) => ({ run: { command: text } })],
  [`${onRun}.args[0]`, 'host', (text) => ({ run: { args: [text] } })],
  [`${onRun}.timeout`, 'template', (text) => ({ run: { timeout: text } })],
  [
    `${onRun}.cancelation.notifyPeriodInSeconds`,
    'template',
    (text) => ({ run: cancelation(text) }),
  ],
  [`${onRun}.cancelation.mode`, 'template', (text) => ({ run: { cancelation: { mode: text } } })],
  [
    'steps[0].script.embeddedFiles[1].data',
    'host',
    (text) => ({ script: { embeddedFiles: [file('Run', 'x'), file('Other', text)] } }),
  ],
  [
    'steps[0].bash.script',
    'host',
    (text) => ({ step: { script: undefined, bash: { script: text } } }),
  ],
  [
    'steps[0].python.args[0]',
    'host',
    (text) => ({ step: { script: undefined, python: { script: 'x', args: [text] } } }),
  ],
  [
    'steps[0].node.timeout',
    'template',
    (text) => ({ step: { script: undefined, node: { script: 'x', timeout: text } } }),
  ],
  [
    `${space}.chunks.defaultTaskCount`,
    'template',
    (text) => ({ space: chunks({ defaultTaskCount: text }) }),
  ],
  [
    `${space}.chunks.targetRuntimeSeconds`,
    'template',
    (text) => ({ space: chunks({ targetRuntimeSeconds: text }) }),
  ],
  [
    `${space}.range[0]`,
    'template',
    (text) => ({
      space: { taskParameterDefinitions: [{ name: 'Frame', type: 'STRING', range: [text] }] },
    }),
  ],
  [
    'steps[0].hostRequirements.amounts[0].min',
    'template',
    (text) => ({ step: { hostRequirements: { amounts: [{ name: 'amount.a', min: text }] } } }),
  ],
  [
    'steps[0].hostRequirements.amounts[0].max',
    'template',
    (text) => ({ step: { hostRequirements: { amounts: [{ name: 'amount.a', max: text }] } } }),
  ],
  [
    'steps[0].hostRequirements.attributes[0].anyOf[0]',
    'template',
    (text) => ({ step: { hostRequirements: { attributes: [{ name: 'attr.a', anyOf: [text] }] } } }),
  ],
  [
    'steps[0].hostRequirements.attributes[0].allOf[0]',
    'template',
    (text) => ({ step: { hostRequirements: { attributes: [{ name: 'attr.a', allOf: [text] }] } } }),
  ],
  [
    'jobEnvironments[0].script.actions.onEnter.command',
    'environment',
    (text) => ({ root: { jobEnvironments: [environment({ command: text })] } }),
  ],
  [
    'steps[0].stepEnvironments[0].script.actions.onEnter.args[0]',
    'environment',
    (text) => ({ step: { stepEnvironments: [environment({ args: [text] })] } }),
  ],
  [
    'jobEnvironments[0].script.actions.onEnter.timeout',
    'template',
    (text) => ({ root: { jobEnvironments: [environment({ timeout: text })] } }),
  ],
  [
    'jobEnvironments[0].script.actions.onEnter.cancelation.notifyPeriodInSeconds',
    'template',
    (text) => ({ root: { jobEnvironments: [environment(cancelation(text))] } }),
  ],
  [
    'jobEnvironments[0].script.embeddedFiles[1].data',
    'environment',
    (text) => {
      const { name, script } = environment({});
      const embeddedFiles = [...script.embeddedFiles, file('Other', text)];
      return { root: { jobEnvironments: [{ name, script: { ...script, embeddedFiles } }] } };
    },
  ],
  [
    'steps[0].stepEnvironments[0].variables.A',
    'environment',
    (text) => ({ step: { stepEnvironments: [{ ...environment({}), variables: { A: text } }] } }),
  ],
];

const everywhere = ['RawParam.Count', 'Param.Count', 'RawParam.Scene'];
const onNode = [
  'Param.Scene',
  'Session.WorkingDirectory',
  'Session.HasPathMappingRules',
  'Session.PathMappingRulesFile',
];
const inTask = ['Task.Param.Frame', 'Task.RawParam.Frame'];

const reasons: Record<string, string> = {
  'Param.Scene': 'use RawParam.Scene here',
  'Session.WorkingDirectory': 'known only on the node',
  'Session.HasPathMappingRules': 'known only on the node',
  'Session.PathMappingRulesFile': 'known only on the node',
  'Task.Param.Frame': 'task parameters are known only in a step script',
  'Task.RawParam.Frame': 'task parameters are known only in a step script',
  'Task.File.Run': "a step's embedded files are known only in its script",
  'Env.File.Setup': 'Env.File is known only inside an environment',
};

/** The template with `{{symbol}}` at the position. */
function placed(parts: (text: string) => TemplateParts, symbol: string): unknown {
  const { root, space: given, ...rest } = parts(`{{${symbol}}}`);
  const frame = { taskParameterDefinitions: [{ name: 'Frame', type: 'INT', range: '1-3' }] };
  return templateWith({
    parameters: [
      { name: 'Count', type: 'INT' },
      { name: 'Scene', type: 'PATH' },
    ],
    space: given ?? frame,
    script: { embeddedFiles: [file('Run', 'x')] },
    ...rest,
    root: { extensions: ['FEATURE_BUNDLE_1', 'TASK_CHUNKING'], ...root },
  });
}

describe.each(positions)('at %s', (path, kind, parts) => {
  const simple = /steps\[0\]\.(bash|python|node)/.test(path);
  const host = [...onNode, ...inTask, ...(simple ? [] : ['Task.File.Run'])];
  const known: Record<Kind, string[]> = {
    template: everywhere,
    host: [...everywhere, ...host],
    environment: [...everywhere, ...onNode, 'Env.File.Setup'],
  };
  test.each(known[kind])('accepts {{%s}}', (symbol) => {
    accepted(placed(parts, symbol));
  });
  const others = Object.keys(reasons).filter(
    (symbol) => !known[kind].includes(symbol) && !(simple && symbol === 'Task.File.Run'),
  );
  test.each(others)('refuses {{%s}}', (symbol) => {
    expectRefused(placed(parts, symbol), path, reasons[symbol] ?? symbol);
  });
  test.each([
    ['Param.Cuont', 'there is no job parameter "Cuont"; did you mean "Count"?'],
    ['RawParam.X', 'there is no job parameter "X"'],
    ['Count', 'expected Param.<name>'],
    ['param.Count', 'expected Param.<name>'],
    ['Job.Name', 'Job.Name belongs to the EXPR extension'],
    ['Param.Count + 1', 'expressions belong to the EXPR extension'],
  ])('refuses {{%s}}', (symbol, reason) => {
    expectRefused(placed(parts, symbol), path, reason);
  });
});
