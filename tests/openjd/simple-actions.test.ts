import { resolveAction, resolveEmbeddedFiles } from '@karst/shared/openjd/resolve-task.ts';
import { describe, expect, test } from 'vitest';
import { accepted, type TemplateParts, templateWith } from './cases.ts';
import { created, refused } from './creating.ts';

const bundled = (parts: TemplateParts): TemplateParts => ({
  ...parts,
  root: { extensions: ['FEATURE_BUNDLE_1'], ...parts.root },
});
const parameters = [{ name: 'N', type: 'STRING', default: '5' }];
const session = {
  workingDirectory: '/session',
  files: { Script: '/session/script' },
  hasPathMappingRules: false,
  pathMappingRulesFile: '/session/rules.json',
  pathParameterValues: {},
};

describe('simple actions', () => {
  const simple = (key: string, change: Record<string, unknown> = {}) =>
    bundled({
      parameters,
      step: { script: undefined, [key]: { script: 'say {{Param.N}}', ...change } },
    });
  test.each([
    ['bash', 'script.sh', []],
    ['cmd', 'script.bat', ['/C']],
    ['node', 'script.js', []],
    ['powershell', 'script.ps1', ['-File']],
    ['python', 'script.py', []],
  ])('%s runs its script from a file', (key, filename, before) => {
    const job = created(simple(key, { args: ['-v', '{{Param.N}}'], timeout: 9 }), { N: '7' });
    const [step] = job.steps;
    if (step === undefined) throw new Error('no step');
    expect(resolveAction(job, step, {}, session)).toEqual({
      command: key,
      args: [...before, '/session/script', '-v', '7'],
      timeoutSeconds: 9,
      cancelation: { mode: 'TERMINATE' },
    });
    expect(resolveEmbeddedFiles(job, step, {}, session)).toEqual([
      { name: 'Script', filename, runnable: false, data: 'say 7' },
    ]);
  });

  test('a value with NUL is refused at the argument it was written in', () => {
    expect(refused(simple('powershell', { args: ['{{Param.N}}'] }), { N: 'a\0' })).toEqual([
      expect.stringContaining('steps[0].powershell.args[0]: {{Param.N}} puts U+0000 here'),
    ]);
  });

  test('the template keeps the short form', () => {
    const template = accepted(templateWith(simple('bash', { args: ['a'] })));
    expect(template.steps[0]).toEqual({
      name: 'Render',
      bash: { script: 'say {{Param.N}}', args: ['a'] },
    });
    expect(accepted(JSON.parse(JSON.stringify(template)))).toEqual(template);
  });
});
