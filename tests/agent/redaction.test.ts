import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Redactor } from '../../worker-agent/session/redactor.ts';
import { Secrets } from '../../worker-agent/session/secrets.ts';

function secretsOf(...values: string[]): Secrets {
  const secrets = new Secrets();
  for (const value of values) secrets.add(value);
  return secrets;
}

/** What a redactor shows of bytes that arrive cut at the given places. */
function shown(bytes: Buffer, secrets: Secrets, cuts: readonly number[] = []): string {
  const redactor = new Redactor(secrets);
  const places = [...cuts].map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
  const pieces: Buffer[] = [];
  let from = 0;
  for (const place of [...places, bytes.length]) {
    pieces.push(redactor.push(bytes.subarray(from, place)));
    from = place;
  }
  return Buffer.concat([...pieces, redactor.end()]).toString('utf8');
}

const masked = (text: string, ...values: string[]) =>
  shown(Buffer.from(text), secretsOf(...values));

describe('redaction', () => {
  it('masks every secret wherever it stands', () => {
    expect(masked('a hush b hush', 'hush')).toBe('a ******** b ********');
    expect(masked('hushhush', 'hush')).toBe('****************');
    expect(masked('ünï hüsh ü', 'hüsh')).toBe('ünï ******** ü');
    expect(masked('nothing here', 'hush')).toBe('nothing here');
  });

  it('masks secrets that overlap as one, so that no end of one is left', () => {
    expect(masked('xabcdx', 'abc', 'bcd')).toBe('x********x');
    expect(masked('aaaaa', 'aaa')).toBe('********');
    expect(masked('abc', 'a', 'abc')).toBe('********');
  });

  it('masks lines of a secret of several lines also alone, except short inner ones', () => {
    const key = 'BEGIN\nabcdef\n{\nEND';
    expect(masked(`x ${key} y`, key)).toBe('x ******** y');
    expect(masked('abcdef { END BEGIN', key)).toBe('******** { ******** ********');
  });

  it('masks the value in the line that makes it a secret, well-formed or not', () => {
    expect(masked('openjd_redacted_env: KEY=hush\nnext')).toBe(
      'openjd_redacted_env: KEY=********\nnext',
    );
    expect(masked('openjd_redacted_env:hush')).toBe('openjd_redacted_env********');
    expect(masked('OPENJD_Redacted_env: K=hush\n')).toBe('OPENJD_Redacted_env: K=********\n');
    expect(masked('said openjd_redacted_env: K=v')).toBe('said openjd_redacted_env: K=v');
  });

  it('shows a line as long as it likes to be of that kind masked, and what follows', () => {
    const long = `openjd_redacted_env: K=${'v'.repeat(200_000)}\nnext openjd_\n`;
    const cuts = Array.from({ length: 20 }, (_, i) => i * 10_000);
    const expected = 'openjd_redacted_env: K=********\nnext openjd_\n';
    expect(shown(Buffer.from(long), secretsOf(), cuts)).toBe(expected);
    expect(shown(Buffer.from(long), secretsOf())).toBe(expected);
  });

  it('leaves bytes that are no text as they are', () => {
    const bytes = Buffer.from(Array.from({ length: 512 }, (_, i) => i % 256));
    const redactor = new Redactor(secretsOf('hush'));
    expect(Buffer.concat([redactor.push(bytes), redactor.end()])).toEqual(bytes);
  });

  const words = fc.constantFrom(
    'a',
    'ab',
    'hush',
    'hu',
    'sh',
    '\n',
    '\r\n',
    ' ',
    'ü',
    '=',
    'openjd_redacted_env',
    'openjd_redacted_env: K=',
    'openjd_',
  );
  const text = fc.array(words, { maxLength: 40 }).map((parts) => parts.join(''));
  const values = fc.array(
    fc.constantFrom('hush', 'shhu', 'ab', 'aba', 'ü ü', 'hush\nab\nhu', 'a'),
    { maxLength: 4 },
  );

  it('is the same however the output is cut', () => {
    const cuts = fc.array(fc.nat(2000), { maxLength: 30 });
    fc.assert(
      fc.property(text, values, cuts, (output, secrets, where) => {
        const bytes = Buffer.from(output);
        const whole = shown(bytes, secretsOf(...secrets));
        expect(shown(bytes, secretsOf(...secrets), where)).toBe(whole);
        const bytewise = Array.from({ length: bytes.length }, (_, i) => i);
        expect(shown(bytes, secretsOf(...secrets), bytewise)).toBe(whole);
      }),
      { numRuns: 500 },
    );
  });

  it('never lets a secret through', () => {
    fc.assert(
      fc.property(text, fc.constantFrom('hush', 'aba', 'ü ü'), (output, value) => {
        expect(masked(output, value)).not.toContain(value);
      }),
      { numRuns: 500 },
    );
  });
});
