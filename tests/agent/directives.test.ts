import { describe, expect, it } from 'vitest';
import { type Directive, parseDirective } from '../../worker-agent/session/directives.ts';

const set = (name: string, value: string): Directive => ({
  kind: 'env',
  name,
  value,
  secret: false,
});
const secret = (name: string, value: string): Directive => ({
  kind: 'env',
  name,
  value,
  secret: true,
});

describe('directives', () => {
  it.each<[string, Directive]>([
    ['openjd_progress: 50.5', { kind: 'progress', percent: 50.5 }],
    ['openjd_progress: 0', { kind: 'progress', percent: 0 }],
    ['openjd_progress:  100 ', { kind: 'progress', percent: 100 }],
    ['openjd_progress: 1e1', { kind: 'progress', percent: 10 }],
    ['openjd_status: loading assets', { kind: 'status', message: 'loading assets' }],
    ['openjd_fail: no licence: 3', { kind: 'fail', message: 'no licence: 3' }],
    ['openjd_env: A=B', set('A', 'B')],
    ['openjd_env: A=', set('A', '')],
    ['openjd_env:   _a1=B=C ', set('_a1', 'B=C ')],
    ['openjd_env: "A=one\\ntwo"', set('A', 'one\ntwo')],
    ['openjd_env: A="quoted"', set('A', '"quoted"')],
    ['openjd_unset_env: A', { kind: 'unset_env', name: 'A' }],
    ['openjd_redacted_env: KEY=hush', secret('KEY', 'hush')],
    ['openjd_redacted_env: "KEY=one\\ntwo"', secret('KEY', 'one\ntwo')],
  ])('%s is obeyed', (line, directive) => {
    expect(parseDirective(line)).toEqual(directive);
  });

  it.each([
    'openjd_env',
    'openjd_env:A=B',
    'openjd_env A=B',
    'openjd_env: ',
    'openjd_env: A',
    'openjd_env: 1A=B',
    'openjd_env: A B=C',
    'openjd_env: "A=B',
    'openjd_env: "A\\u0000=B"',
    'OPENJD_ENV: A=B',
    'Openjd_Env: A=B',
    ' openjd_env: A=B',
    'openjd_unset_env:A',
    'openjd_unset_env: A=B',
    'openjd_unset_env: A B',
    'openjd_unset_env: 1',
    'OpenJD_Unset_Env: A',
    'openjd_redacted_env: KEY',
    'openjd_redacted_env:KEY=hush',
    'openjd_REDACTED_env: KEY=hush',
  ])('%s fails the action', (line) => {
    expect(parseDirective(line)).toMatchObject({ kind: 'malformed' });
  });

  it('that are malformed and may hold a secret say which part', () => {
    expect(parseDirective('openjd_redacted_env: 1KEY=hush')).toMatchObject({ secret: 'hush' });
    expect(parseDirective('openjd_redacted_env:KEY=hush')).toMatchObject({ secret: 'hush' });
    expect(parseDirective('openjd_redacted_env: hush')).toMatchObject({ secret: 'hush' });
    expect(parseDirective('openjd_env:KEY=plain')).not.toHaveProperty('secret');
  });

  it.each([
    'openjd_progress: 101',
    'openjd_progress: -1',
    'openjd_progress: half',
    'openjd_progress: 0x10',
    'openjd_progress: NaN',
    'openjd_progress: ',
    'openjd_progress:5',
    'openjd_progress 5',
    'OPENJD_PROGRESS: 5',
    ' openjd_progress: 50',
    'it said openjd_progress: 50',
    'openjd_status',
    'openjd_fail:',
    'openjd_environment_setup',
    'openjd_envy: A=B',
    'it said openjd_env: A=B',
    'openjd_session_runtime_loglevel: DEBUG',
    '',
  ])('%s is ordinary output', (line) => {
    expect(parseDirective(line)).toBeUndefined();
  });
});
