import { parseParameterValues } from '@karst/shared/bundle/parameter-values.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { wholePolicy } from '../support/whole-policy.ts';
import { accepted, problemLines } from './problem-lines.ts';

const parse = (text: string) => accepted(parseParameterValues(text, 'yaml'));
const plain = (text: string) =>
  Object.fromEntries([...parse(text).values].map(([name, { value }]) => [name, value]));

describe('a parameter_values file', () => {
  it('gives values, with where they stand', () => {
    const { values, policy, foreign } = parse(
      'parameterValues:\n- name: Frames\n  value: 1-240\n- {name: Samples, value: 64}\n',
    );
    expect([...values]).toEqual([
      ['Frames', { value: '1-240', line: 3, column: 10 }],
      ['Samples', { value: 64, line: 4, column: 26 }],
    ]);
    expect({ policy, foreign }).toEqual({ policy: {}, foreign: [] });
  });

  it('reads what a Deadline Cloud submitter writes', () => {
    const text = JSON.stringify({
      parameterValues: [
        { name: 'deadline:targetTaskRunStatus', value: 'SUSPENDED' },
        { name: 'deadline:maxFailedTasksCount', value: 20 },
        { name: 'deadline:maxRetriesPerTask', value: 5 },
        { name: 'deadline:priority', value: 70 },
        { name: 'SceneFile', value: '/proj/shot.ma' },
      ],
    });
    const file = accepted(parseParameterValues(text, 'json'));
    expect(file.policy).toEqual({
      paused: true,
      maxFailedTasks: 20,
      maxRetriesPerTask: 5,
      priority: 70,
    });
    expect([...file.values.keys()]).toEqual(['SceneFile']);
  });

  it('takes a policy number that is written as text, and READY as not held', () => {
    const { policy } = parse(
      'parameterValues: [{name: "deadline:priority", value: "100"}, {name: "deadline:targetTaskRunStatus", value: READY}]',
    );
    expect(policy).toEqual({ priority: 100, paused: false });
  });

  it('reads a policy as a map; what Deadline’s values say goes before it', () => {
    const value = { ...wholePolicy, priority: 10 };
    const items = [
      { name: 'deadline:priority', value: 70 },
      { name: 'karst:policy', value },
    ];
    const text = JSON.stringify({ parameterValues: items });
    const file = accepted(parseParameterValues(text, 'json'));
    expect(file.policy).toEqual({ ...value, priority: 70 });
    const lines = [
      'parameterValues:',
      '- name: "karst:policy"',
      '  value:',
      '    steps: {Film: {}}',
    ];
    expect(parse(lines.join('\n')).policyPlace(['steps', 'Film'], true)).toEqual({
      line: 4,
      column: 13,
    });
  });

  it('reads which steps are to be held, with where they stand', () => {
    const name = '"karst:hold"';
    expect(parse(`parameterValues: [{name: ${name}, value: Comp}]`).holds).toEqual([
      { step: 'Comp', line: 1, column: 47 },
    ]);
    const { holds, foreign } = parse(`parameterValues:\n- name: ${name}\n  value: [A, B]\n`);
    expect(holds.map(({ step, line, column }) => [step, line, column])).toEqual([
      ['A', 3, 11],
      ['B', 3, 14],
    ]);
    expect(foreign).toEqual([]);
    const wrong = parseParameterValues(`parameterValues: [{name: ${name}, value: [1]}]`, 'yaml');
    expect(problemLines(wrong)[0]).toContain('expected the name of a step (text), found');
  });

  it('keeps integers exact, beyond what a double holds', () => {
    const text = 'parameterValues: [{name: A, value: 9223372036854775807}, {name: B, value: 0.5}]';
    expect(plain(text)).toEqual({ A: '9223372036854775807', B: 0.5 });
  });

  it('may say nothing', () => {
    for (const text of ['', '{}', '# nothing\n', 'parameterValues: []']) {
      expect(parse(text).values.size).toBe(0);
    }
  });

  it('tells the values that are for other farms', () => {
    expect(parse('parameterValues: [{name: "other:pool", value: 1}]').foreign).toEqual([
      'other:pool',
    ]);
  });
});

describe('a parameter_values file is refused', () => {
  it.each([
    [
      'a list as the whole',
      '[]',
      '1:1 (root): expected a parameter_values file (a map), found an empty list',
    ],
    [
      'without its key',
      'parameterValue: []',
      '1:1 parameterValue: unknown key "parameterValue" in a parameter_values file; did you mean "parameterValues"? (expected parameterValues)',
    ],
    [
      'with a map of values',
      'parameterValues: {A: 1}',
      '1:18 parameterValues: expected a list of parameter values, found a map',
    ],
    [
      'with a bare text as a value',
      'parameterValues: [A=1]',
      '1:19 parameterValues[0]: expected a parameter value (a map), found the text "A=1"',
    ],
    [
      'with a name and no value',
      'parameterValues: [{name: A}]',
      '1:19 parameterValues[0].value: a parameter value needs the key "value", which is missing',
    ],
    [
      'with a misspelt key',
      'parameterValues: [{nmae: A, name: A, value: 1}]',
      '1:20 parameterValues[0].nmae: unknown key "nmae" in a parameter value; did you mean "name"? (expected name, value)',
    ],
    [
      'with a name that is a number',
      'parameterValues: [{name: 1, value: 1}]',
      '1:26 parameterValues[0].name: expected the name of a parameter (text), found the integer 1',
    ],
    [
      'with a boolean',
      'parameterValues: [{name: A, value: true}]',
      '1:36 parameterValues[0].value: expected a value that is text or a number, found true (a boolean); put it in quotes to make it text',
    ],
    [
      'with nothing as a value',
      'parameterValues: [{name: A, value: }]',
      '1:36 parameterValues[0].value: expected a value that is text or a number, found nothing (null)',
    ],
    [
      'with two values for a name',
      'parameterValues: [{name: A, value: 1}, {name: A, value: 1}]',
      '1:47 parameterValues[1].name: the parameter "A" is given two values; expected one',
    ],
    [
      'with a policy it does not know',
      'parameterValues: [{name: "deadline:maxRetriesPerTasks", value: 1}]',
      '1:26 parameterValues[0].name: "deadline:maxRetriesPerTasks" is not supported; did you mean "deadline:maxRetriesPerTask"? (expected deadline:priority, deadline:maxRetriesPerTask, deadline:maxFailedTasksCount, deadline:targetTaskRunStatus)',
    ],
    [
      'with a mistake in a policy',
      'parameterValues: [{name: "karst:policy", value: {poisonNodes: 1, silent: 5}}]',
      '1:63 parameterValues[0].value.poisonNodes: expected at least 2, found the integer 1',
    ],
    [
      'with a priority out of range',
      'parameterValues: [{name: "deadline:priority", value: 101}]',
      '1:54 parameterValues[0].value: expected a whole number from 0 to 100, found the integer 101',
    ],
    [
      'with a fraction of a retry',
      'parameterValues: [{name: "deadline:maxRetriesPerTask", value: 1.5}]',
      '1:63 parameterValues[0].value: expected a whole number from 0 to 100, found the number 1.5',
    ],
    [
      'with a negative count',
      'parameterValues: [{name: "deadline:maxFailedTasksCount", value: -1}]',
      '1:65 parameterValues[0].value: expected a whole number from 0 to 1000000, found the integer -1',
    ],
    [
      'with a status it does not know',
      'parameterValues: [{name: "deadline:targetTaskRunStatus", value: suspended}]',
      '1:65 parameterValues[0].value: expected READY or SUSPENDED, found the text "suspended"; did you mean "SUSPENDED"?',
    ],
  ])('%s', (_, text, line) => {
    expect(problemLines(parseParameterValues(text, 'yaml'))).toContain(line);
  });

  it('with all its problems at once, in reading order', () => {
    const text =
      'parameterValues:\n- {name: A}\n- {name: "deadline:priority", value: high}\n- {value: 3}\n';
    const lines = problemLines(parseParameterValues(text, 'yaml'));
    expect(lines.map((line) => line.split(':')[0])).toEqual(['2', '3', '4']);
  });

  it('at the place where its JSON ends being JSON', () => {
    const lines = problemLines(parseParameterValues('{"parameterValues": [,]}', 'json'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^1:22 /);
  });

  it('and never crashes its reader', () => {
    const anything = fc.oneof(fc.string(), fc.json());
    fc.assert(
      fc.property(anything, (text) => {
        const parsed = parseParameterValues(`parameterValues: ${text}`, 'yaml');
        if (!parsed.ok) expect(parsed.error.every(({ line }) => line !== undefined)).toBe(true);
      }),
    );
  });
});
