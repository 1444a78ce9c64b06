import { parseTemplate } from '@karst/shared/openjd/parse-template.ts';
import { describe, expect, test } from 'vitest';

const body = `specificationVersion: jobtemplate-2023-09
name: job
steps:
  - name: A
    script: {actions: {onRun: {command: "true"}}}
`;

function found(source: string, format?: 'yaml' | 'json'): string[] {
  const result = parseTemplate(source, format);
  if (result.ok) return ['(accepted)'];
  return result.error.map(
    ({ line, column, path, message }) => `${line}:${column} ${path.join('.')} ${message}`,
  );
}

describe('YAML and JSON text', () => {
  test.each([
    ['YAML', body, undefined],
    ['YAML with a byte order mark', `\uFEFF${body}`, undefined],
    ['YAML with Windows line ends', body.replaceAll('\n', '\r\n'), undefined],
    ['YAML with a document marker and comments', `# job\n---\n${body}...\n`, undefined],
    [
      'JSON as JSON',
      '{"specificationVersion":"jobtemplate-2023-09","name":"job","steps":[{"name":"A","script":{"actions":{"onRun":{"command":"\\u0074rue"}}}}]}',
      'json',
    ],
    [
      'JSON with tabs as YAML',
      '{\n\t"specificationVersion": "jobtemplate-2023-09",\n\t"name": "job", "steps": [{"name":"A","script":{"actions":{"onRun":{"command":"true"}}}}]\n}',
      'yaml',
    ],
    [
      'aliases',
      `${body.replace('{actions', '&s {actions')}  - {name: B, script: *s}\n  - {name: C, script: *s}\n`,
      undefined,
    ],
  ] as const)('%s is accepted', (_title, source, format) => {
    expect(found(source, format)).toEqual(['(accepted)']);
  });

  test.each([
    [
      'an unclosed quote',
      'name: "x',
      '1:9  the template is not valid YAML: Missing closing "quote',
    ],
    [
      'a tab as indentation',
      'a:\n\tb: 1',
      '2:1  the template is not valid YAML: Tabs are not allowed',
    ],
    ['two documents', `${body}---\n${body}`, '6:1  the file holds more than one YAML document'],
    ['a key given twice', `${body}name: again\n`, '6:1 name the key "name" is given twice'],
    [
      'a deep key given twice',
      body.replace('{actions', '{a: 1, a: 2, actions'),
      '5:20 steps.0.script.a the key "a" is given twice',
    ],
    [
      'a number as a key',
      `${body}5: x\n`,
      '1:1  expected every key of a map to be text, found the integer 5',
    ],
    ['a map as a key', `${body}? {a: 1}\n: x\n`, '1:1  expected every key of a map to be text'],
    ['a tag', `${body}description: !mine x\n`, "6:14  YAML tags of one's own are not supported"],
    [
      'binary',
      `${body}description: !!binary aGk=\n`,
      "6:14  YAML tags of one's own are not supported",
    ],
    [
      'an alias without anchor',
      `${body}description: *x\n`,
      '6:14 description *x refers to no earlier &x',
    ],
    [
      'an alias of itself',
      `${body}description: &x [*x]\n`,
      '6:18 description.0 *x refers to itself',
    ],
    ['an empty file', '', '1:1  expected a job template (a map), found nothing (null)'],
    [
      'a file that is text',
      'hello',
      '1:1  expected a job template (a map), found the text "hello"',
    ],
    ['a file that is a list', '- a', '1:1  expected a job template (a map), found a list'],
    [
      'a yes that YAML 1.2 takes as text',
      body.replace('"true"', 'yes, timeout: yes'),
      '5:55 steps.0.script.actions.onRun.timeout expected an integer of 1 or more, found the text "yes"',
    ],
    [
      'a number with underscores, which is text',
      body.replace('"true"', 'x, timeout: 1_000'),
      'found the text "1_000"',
    ],
    [
      'infinity',
      `${body}parameterDefinitions: [{name: P, type: FLOAT, default: .inf}]\n`,
      '6:56 parameterDefinitions.0.default expected a finite number, found the number Infinity',
    ],
    [
      'an integer beyond int64, exactly',
      `${body}parameterDefinitions: [{name: P, type: INT, default: 9223372036854775808}]\n`,
      'found the integer 9223372036854775808',
    ],
    [
      'an integer written as a float',
      `${body}parameterDefinitions: [{name: P, type: INT, default: 3.0}]\n`,
      'expected an integer, found the number 3',
    ],
  ])('%s is refused with its place', (_title, source, wanted) => {
    expect(found(source)).toEqual([expect.stringContaining(wanted)]);
  });

  test.each([
    [
      'a trailing comma',
      '{"a": 1,}',
      '1:9  the template is not valid JSON: expected a key in double quotes, found "}"',
    ],
    ['a missing value', '{\n "a": }', '2:7  the template is not valid JSON: expected a value'],
    [
      'single quotes',
      "{'a': 1}",
      '1:2  the template is not valid JSON: expected a key in double quotes or "}"',
    ],
    [
      'an unclosed list',
      '{"a": [1',
      '1:9  the template is not valid JSON: expected "," or "]", found the end of the text',
    ],
    ['YAML', 'name: x', '1:1  the template is not valid JSON: expected a value'],
    [
      'a comment',
      '{} // x',
      '1:4  the template is not valid JSON: expected nothing after the value',
    ],
    [
      'a line break in a string',
      '{"a": "x\ny"}',
      '1:7  the template is not valid JSON: expected a value',
    ],
    ['a leading zero', '{"a": 01}', '1:8  the template is not valid JSON'],
    ['nothing', '', '1:1  the template is not valid JSON: expected a value, found the end'],
  ])('JSON with %s is refused with its place', (_title, source, wanted) => {
    expect(found(source, 'json')).toEqual([expect.stringContaining(wanted)]);
  });

  test.each([
    ['minValue: -9223372036854775808, maxValue: 9223372036854775807', '(accepted)'],
    [
      'default: 9223372036854775808',
      '6:54 parameterDefinitions.0.default expected an integer from -',
    ],
    ['default: 1_000', 'expected an integer, found the text "1_000"'],
    ['default: 0x1F', '(accepted)'],
    [
      'default: 1.0',
      '6:54 parameterDefinitions.0.default expected an integer, found the number 1$',
    ],
    ['default: 1e18', 'found the number 1000000000000000000; JSON numbers this size are not exact'],
    ['default: yes', 'expected an integer, found the text "yes"'],
    ['default: ~', 'expected an integer, found nothing (null)'],
  ])('an INT of %s', (keys, expected) => {
    const text = `${body}parameterDefinitions: [{name: P, type: INT, ${keys}}]\n`;
    const [told = '', ...more] = found(text);
    expect(more).toEqual([]);
    expect(`${told}$`).toContain(expected);
  });

  test.each([
    'parameterDefinitions: [{name: P, type: STRING, maxLength: 9223372036854775807}]',
    'jobEnvironments: [{name: E, script: {actions: {onExit: {command: c, timeout: 9223372036854775807}}}}]',
    `jobEnvironments: [{name: E, script: {actions: {onExit: {command: c, timeout: ${'9'.repeat(400)}}}}}]`,
  ])('a length and a time of any size: %s', (line) => {
    const read = parseTemplate(`${body}${line}\n`);
    expect(read.ok ? JSON.stringify(read.value) : read.error).toContain('9007199254740991');
  });

  test.each([
    ['.inf', 'the number Infinity'],
    ['.NaN', 'the number NaN'],
    ['1e400', 'the number Infinity'],
    ['"1e400"', 'the text "1e400"'],
    ['"0x1F"', 'the text "0x1F"'],
    ['yes', 'the text "yes"'],
  ])('a FLOAT of %s is refused', (value, told) => {
    const text = `${body}parameterDefinitions: [{name: P, type: FLOAT, default: ${value}}]\n`;
    expect(found(text)).toEqual([
      expect.stringContaining(`expected a finite number, found ${told}`),
    ]);
  });

  test.each([
    ['runnable: yes', 'expected true or false, found the text "yes"'],
    ['runnable: on', 'expected true or false, found the text "on"'],
    ['runnable: "true"', 'expected true or false, found the text "true"'],
    ['runnable: 1', 'expected true or false, found the integer 1'],
    ['runnable: True', '(accepted)'],
  ])('YAML 1.2 has no other booleans: %s', (key, told) => {
    const file = `{name: F, type: TEXT, data: x, ${key}}`;
    const script = `{actions: {onRun: {command: "true"}}, embeddedFiles: [${file}]}`;
    const text = body.replace('{actions: {onRun: {command: "true"}}}', script);
    for (const source of [text, `%YAML 1.1\n---\n${text}`]) {
      expect(found(source)).toEqual([expect.stringContaining(told)]);
    }
  });

  test.each([
    [
      'name: "a\\ud800"',
      'expected a job name of Unicode characters, found half of a surrogate pair',
    ],
    ['name: "a\\ud83c\\udfac"', '(accepted)'],
  ])('JSON escapes make whole characters: %s', (name, told) => {
    const json = `{"specificationVersion":"jobtemplate-2023-09",${name.replace('name', '"name"')},"steps":[{"name":"A","script":{"actions":{"onRun":{"command":"true"}}}}]}`;
    expect(found(json, 'json')).toEqual([expect.stringContaining(told)]);
  });

  test('a key given twice in JSON is refused at the second', () => {
    expect(found('{"name": "a",\n "name": "b"}', 'json')).toEqual([
      expect.stringContaining('2:2 name the key "name" is given twice'),
    ]);
  });

  test('problems are placed at the value, unknown keys at the key, in reading order', () => {
    const source = `specificationVersion: jobtemplate-2023-09
nmae: job
steps:
  - name: A
    script:
      actions:
        onRun:
          command: "{{Param.X}}"
          timeout: 0
`;
    expect(found(source).map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      '1:1 name',
      '2:1 nmae',
      '8:20 steps.0.script.actions.onRun.command',
      '9:20 steps.0.script.actions.onRun.timeout',
    ]);
  });

  test('a problem inside an alias is placed where the value is written', () => {
    const source = `${body.replace('{actions: {onRun: {command: "true"', '&s {actions: {onRun: {command: ""')}  - {name: B, script: *s}\n`;
    expect(found(source).map((line) => line.split(' ')[0])).toEqual(['5:44', '5:44']);
  });

  test('source above 1 MiB is refused, counted in UTF-8', () => {
    expect(found(`# ${'é'.repeat(600_000)}\n${body}`)).toEqual([
      expect.stringContaining('at most 1048576 bytes (1 MiB) of template, found 12001'),
    ]);
  });

  test('bombs are refused at once', () => {
    let aliases = 'a0: &a0 [x, x, x, x, x, x, x, x, x]\n';
    for (let level = 1; level < 40; level++) {
      aliases += `a${level}: &a${level} [${Array(9)
        .fill(`*a${level - 1}`)
        .join(', ')}]\n`;
    }
    expect(found(aliases)).toEqual([expect.stringContaining('expand to more than 100000 values')]);
    for (const deep of ['['.repeat(500_000), '- '.repeat(400_000), '{a: '.repeat(250_000)]) {
      expect(found(deep)).toEqual([expect.stringContaining('nests more than 100 levels deep')]);
    }
    const stairs = Array.from({ length: 1000 }, (_, depth) => `${' '.repeat(depth)}b:`).join('\n');
    expect(found(stairs)).toEqual([expect.stringContaining('nests more than 100 levels deep')]);
  });
});
