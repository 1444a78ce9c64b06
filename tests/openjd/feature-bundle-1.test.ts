import { resolveEmbeddedFiles } from '@karst/shared/openjd/resolve-task.ts';
import { describe, expect, test } from 'vitest';
import { accepted, type TemplateParts, templateWith } from './cases.ts';
import { created, refused } from './creating.ts';

const onRun = 'steps[0].script.actions.onRun';
const bundled = (parts: TemplateParts): TemplateParts => ({
  ...parts,
  root: { extensions: ['FEATURE_BUNDLE_1'], ...parts.root },
});
const parameters = [{ name: 'N', type: 'STRING', default: '5' }];
const file = { name: 'F', type: 'TEXT', data: 'x' };
const text = (length: number) => 'x'.repeat(length);

test('the job name is measured again by the limit of its template', () => {
  const parts = { parameters, root: { name: '{{Param.N}}' } };
  expect(created(bundled(parts), { N: text(512) }).name).toHaveLength(512);
  expect(refused(bundled(parts), { N: text(513) })).toEqual([
    'name: expected a job name of at most 512 characters, found 513 characters',
  ]);
  expect(refused(parts, { N: text(129) })).toEqual([
    'name: expected a job name of at most 128 characters, found 129 characters',
  ]);
});

const notify = (notifyPeriodInSeconds: unknown) => ({
  cancelation: { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodInSeconds },
});
const run = (change: Record<string, unknown>) => bundled({ parameters, run: change });
describe('numbers as text', () => {
  test('are numbers in the job, once its parameters are known', () => {
    const parts = run({ timeout: '1{{Param.N}}', ...notify('{{Param.N}}') });
    expect(created(parts, { N: '20' }).steps[0]?.script.onRun).toMatchObject({
      timeoutSeconds: 120,
      cancelation: { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodSeconds: 20 },
    });
    expect(refused(parts, { N: '601' })).toEqual([
      `${onRun}.cancelation.notifyPeriodInSeconds: expected an integer from 1 to 600, found the text "601"`,
    ]);
    expect(refused(run({ timeout: '{{Param.N}}' }), { N: '0' })).toEqual([
      `${onRun}.timeout: expected an integer of 1 or more, found the text "0"`,
    ]);
  });

  test('may have space around them, and are as large as one likes', () => {
    const timeout = (N: string) =>
      created(run({ timeout: '{{Param.N}}' }), { N }).steps[0]?.script.onRun.timeoutSeconds;
    expect(timeout(' 7 ')).toBe(7);
    expect(timeout('9223372036854775807')).toBe(Number.MAX_SAFE_INTEGER);
    expect(refused(run({ timeout: '{{Param.N}}' }), { N: '7 8' })).toEqual([
      `${onRun}.timeout: expected an integer of 1 or more, found the text "7 8"`,
    ]);
  });

  test('a mode is one of the two once it is known', () => {
    const parts = run({ cancelation: { mode: '{{Param.N}}', notifyPeriodInSeconds: 7 } });
    const cancelation = (N: string) => created(parts, { N }).steps[0]?.script.onRun.cancelation;
    expect(cancelation('TERMINATE')).toEqual({ mode: 'TERMINATE' });
    expect(cancelation('NOTIFY_THEN_TERMINATE')).toEqual({
      mode: 'NOTIFY_THEN_TERMINATE',
      notifyPeriodSeconds: 7,
    });
    expect(refused(parts, { N: 'KILL' })).toEqual([
      `${onRun}.cancelation.mode: expected one of TERMINATE, NOTIFY_THEN_TERMINATE, found "KILL"`,
    ]);
  });

  test('literal text is a number in the template already', () => {
    const template = accepted(templateWith(run({ timeout: '0060' })));
    expect(template.steps[0]?.script?.actions.onRun.timeout).toBe(60);
    expect(accepted(JSON.parse(JSON.stringify(template)))).toEqual(template);
  });
});

const session = {
  workingDirectory: '/session',
  files: { Script: '/session/script' },
  hasPathMappingRules: false,
  pathMappingRulesFile: '/session/rules.json',
  pathParameterValues: {},
};

describe('endOfLine', () => {
  const withFile = (change: Record<string, unknown>) => ({
    script: { embeddedFiles: [{ ...file, data: 'a\r\nb\nc', ...change }] },
  });
  test.each([
    [undefined, 'LF', 'a\r\nb\nc'],
    ['LF', 'CRLF', 'a\nb\nc'],
    ['CRLF', 'LF', 'a\r\nb\r\nc'],
    ['AUTO', 'LF', 'a\nb\nc'],
    ['AUTO', 'CRLF', 'a\r\nb\r\nc'],
  ] as const)('%s on a host with %s writes its own', (endOfLine, hostEndOfLine, data) => {
    const job = created(bundled(withFile({ endOfLine })));
    const [step] = job.steps;
    if (step === undefined) throw new Error('no step');
    expect(resolveEmbeddedFiles(job, step, {}, { ...session, hostEndOfLine })[0]?.data).toBe(data);
  });
});
