const mask = '********';
/** Inner lines of a secret of several lines are masked by themselves when they have this many characters. */
const innerLineMin = 4;

/**
 * Values of a session that nobody may read, each masked wherever it is printed. Of a value of several
 * lines its first and its last line are masked also alone, and inner ones that are long enough not to
 * be ordinary output.
 */
export class Secrets {
  readonly #texts = new Set<string>();
  /** The same as UTF-8 bytes, one character each. */
  readonly #bytes = new Set<string>();

  get size(): number {
    return this.#texts.size;
  }

  /** As byte strings, in no order. */
  bytes(): ReadonlySet<string> {
    return this.#bytes;
  }

  add(value: string): void {
    const lines = value.split(/\r?\n/);
    const alone = lines.filter(
      (part, at) => at === 0 || at === lines.length - 1 || part.length >= innerLineMin,
    );
    for (const text of [value, ...alone]) {
      // The mask itself must not be masked again, without end.
      if (/^\**$/.test(text)) continue;
      this.#texts.add(text);
      this.#bytes.add(Buffer.from(text, 'utf8').toString('latin1'));
    }
  }

  /** Text with every secret masked. */
  redact(text: string): string {
    return this.size === 0 ? text : maskAll(text, occurrences(text, this.#texts), text.length);
  }
}

export interface Stretch {
  start: number;
  end: number;
}

/** Where secrets stand in a text; those that overlap are one stretch. */
export function occurrences(text: string, secrets: ReadonlySet<string>): Stretch[] {
  const found: Stretch[] = [];
  for (const secret of secrets) {
    for (let at = text.indexOf(secret); at !== -1; at = text.indexOf(secret, at + 1)) {
      found.push({ start: at, end: at + secret.length });
    }
  }
  found.sort((one, other) => one.start - other.start);
  const merged: Stretch[] = [];
  for (const { start, end } of found) {
    const last = merged.at(-1);
    if (last !== undefined && start < last.end) last.end = Math.max(last.end, end);
    else merged.push({ start, end });
  }
  return merged;
}

/** The first `length` characters of a text with each stretch replaced by the mask. */
export function maskAll(text: string, stretches: readonly Stretch[], length: number): string {
  let masked = '';
  let at = 0;
  for (const { start, end } of stretches) {
    if (start >= length) break;
    masked += text.slice(at, start) + mask;
    at = end;
  }
  return masked + text.slice(at, Math.max(at, length));
}

/** An openjd_redacted_env line as it may be shown, well-formed or not. */
export function maskDirective(line: string): string {
  const equals = line.indexOf('=');
  const shown = equals === -1 ? line.slice(0, directiveName.length) : line.slice(0, equals + 1);
  return `${shown}${mask}`;
}

export const directiveName = 'openjd_redacted_env';
