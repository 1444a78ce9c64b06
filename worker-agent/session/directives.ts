/** What a line of an action's output tells the runner (OpenJD, "How Jobs Are Run"). */
export type Directive =
  | { kind: 'progress'; percent: number }
  | { kind: 'status'; message: string }
  | { kind: 'fail'; message: string }
  /** `secret`: openjd_redacted_env, whose value nobody may read. */
  | { kind: 'env'; name: string; value: string; secret: boolean }
  | { kind: 'unset_env'; name: string }
  /**
   * Meant to change the environment, and not understood: the action has failed, as what follows would
   * run without it. `secret`: the part of the line that may be one.
   */
  | { kind: 'malformed'; message: string; secret?: string };

const line = /^openjd_([a-z_]+): (.+)$/s;
/** Nearly one of the directives that change the environment: other case, a space too much or too few. */
const nearEnv = /^\s*(openjd_(?:redacted_|unset_)?env)(?:[: ]|$)/i;
const assignment = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s;
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;
const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/**
 * Reads one line; undefined when it is ordinary output, which a malformed progress is too. Directives
 * start at the line's first character.
 */
export function parseDirective(text: string): Directive | undefined {
  const [, name, value = ''] = text.startsWith('openjd_') ? (line.exec(text) ?? []) : [];
  switch (name) {
    case 'progress': {
      const percent = decimal.test(value.trim()) ? Number(value) : Number.NaN;
      return percent >= 0 && percent <= 100 ? { kind: 'progress', percent } : undefined;
    }
    case 'status':
      return { kind: 'status', message: value };
    case 'fail':
      return { kind: 'fail', message: value };
    case 'env':
    case 'redacted_env':
      return parseAssignment(value.trimStart(), name === 'redacted_env');
    case 'unset_env': {
      const variable = value.trimStart();
      return variableName.test(variable)
        ? { kind: 'unset_env', name: variable }
        : malformed('openjd_unset_env', 'expected the name of a variable');
    }
    default:
      return nearMiss(text);
  }
}

function parseAssignment(text: string, secret: boolean): Directive {
  const json = text.startsWith('"') ? parseJsonText(text) : text;
  const [, name, value = ''] = assignment.exec(json ?? '') ?? [];
  if (name !== undefined && !value.includes('\0')) return { kind: 'env', name, value, secret };
  const directive = secret ? 'openjd_redacted_env' : 'openjd_env';
  const expected = 'expected NAME=VALUE, or that as a JSON string';
  return malformed(directive, expected, secret ? afterEquals(text) : undefined);
}

function parseJsonText(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

function nearMiss(text: string): Directive | undefined {
  const [all = '', name] = nearEnv.exec(text) ?? [];
  if (name === undefined) return undefined;
  const directive = name.toLowerCase();
  const secret = directive === 'openjd_redacted_env' ? afterEquals(text.slice(all.length)) : '';
  return malformed(directive, `expected "${directive}: …" at the start of the line`, secret);
}

const afterEquals = (text: string): string => text.slice(text.indexOf('=') + 1).trim();

const malformed = (directive: string, expected: string, secret?: string): Directive => ({
  kind: 'malformed',
  message: `a malformed ${directive} line: ${expected}`,
  ...(secret ? { secret } : {}),
});
