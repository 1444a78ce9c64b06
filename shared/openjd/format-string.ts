import { err, ok, type Result } from '../result.ts';
import { isIdentifier, quote } from './text-rules.ts';

export type FormatSegment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'reference'; readonly name: string };

/** Text with `{{ Dotted.Name }}` holes, split into its parts. */
export interface FormatString {
  readonly segments: readonly FormatSegment[];
}

export interface FormatProblem {
  readonly message: string;
  readonly found?: string;
  readonly expected?: string;
}

const nameExpected = 'a dotted name such as Param.Frame';

/**
 * Splits text into literals and references. Never throws, whatever the text.
 * `}}` without `{{` is refused: the specification has no way to write literal double braces, and
 * other implementations refuse it too, so such a template would not travel.
 */
export function parseFormatString(text: string): Result<FormatString, FormatProblem[]> {
  const segments: FormatSegment[] = [];
  const problems: FormatProblem[] = [];
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf('{{', at);
    const close = text.indexOf('}}', at);
    if (close !== -1 && (open === -1 || close < open)) {
      problems.push({
        message: `found "}}" without a "{{" before it, after ${quote(before(text, close))}; put a space between the braces if they are meant as text`,
        found: '"}}"',
        expected: '"{{" before "}}"',
      });
      at = close + 2;
      continue;
    }
    if (open === -1) {
      segments.push({ kind: 'literal', text: text.slice(at) });
      break;
    }
    if (close === -1) {
      problems.push({
        message: `"{{" is never closed, at ${quote(text.slice(open, open + 40))}; expected "}}" after it`,
        found: '"{{"',
        expected: '"}}" after "{{"',
      });
      break;
    }
    if (open > at) segments.push({ kind: 'literal', text: text.slice(at, open) });
    addReference(text.slice(open + 2, close), segments, problems);
    at = close + 2;
  }
  return problems.length > 0 ? err(problems) : ok({ segments });
}

function addReference(inner: string, segments: FormatSegment[], problems: FormatProblem[]): void {
  const name = inner.trim();
  if (name !== '' && name.split('.').every(isIdentifier)) {
    segments.push({ kind: 'reference', name });
    return;
  }
  const found = name === '' ? 'nothing' : quote(name);
  const hint =
    name === '' ? '' : ' (expressions belong to the EXPR extension, which is not supported yet)';
  problems.push({
    message: `expected ${nameExpected} between "{{" and "}}", found ${found}${hint}`,
    found,
    expected: nameExpected,
  });
}

function before(text: string, end: number): string {
  return text.slice(Math.max(0, end - 20), end);
}

/** Names in the order they appear, repeats included. */
export function referencesOf(format: FormatString): string[] {
  const names: string[] = [];
  for (const segment of format.segments) {
    if (segment.kind === 'reference') names.push(segment.name);
  }
  return names;
}

export type SymbolTable = ReadonlyMap<string, string> | Readonly<Record<string, string>>;

/** Fills the holes. Fails, naming them, when the table lacks symbols. */
export function resolveFormatString(
  format: FormatString,
  symbols: SymbolTable,
): Result<string, FormatProblem[]> {
  const problems: FormatProblem[] = [];
  let text = '';
  for (const segment of format.segments) {
    if (segment.kind === 'literal') {
      text += segment.text;
      continue;
    }
    const value = lookUp(symbols, segment.name);
    if (value === undefined) {
      problems.push({ message: `{{${segment.name}}} has no value here`, found: segment.name });
    } else {
      text += value;
    }
  }
  return problems.length > 0 ? err(problems) : ok(text);
}

function lookUp(symbols: SymbolTable, name: string): string | undefined {
  if (isMap(symbols)) return symbols.get(name);
  return Object.hasOwn(symbols, name) ? symbols[name] : undefined;
}

function isMap(symbols: SymbolTable): symbols is ReadonlyMap<string, string> {
  return symbols instanceof Map;
}
