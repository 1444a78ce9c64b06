import { directiveName, maskAll, maskDirective, occurrences, type Secrets } from './secrets.ts';

/** A longer directive line is masked before its end is known; the rest is dropped. */
const lineCharactersMax = 64 * 1024;
const directive = new RegExp(`^[ \\t]*${directiveName}`, 'im');

/**
 * Masks secrets in a stream of bytes, wherever it is cut: what may be the start of a secret, or of a
 * line that names one, is held back until more is known. Works on bytes (as characters of one byte
 * each), so that output that is not text stays as it is.
 */
export class Redactor {
  readonly #secrets: Secrets;
  /** Where the stream stands; `dropping`: in a directive line that was shown already. */
  #state: 'start' | 'inside' | 'dropping' = 'start';
  /** At a line's start: what of it may become, or is, a directive with a secret. */
  #line = '';
  /** Text that ends with what may be the start of a secret. */
  #held = '';
  #masked = false;

  constructor(secrets: Secrets) {
    this.#secrets = secrets;
  }

  /** Whether anything was masked. */
  get masked(): boolean {
    return this.#masked;
  }

  /** What may be shown by now. */
  push(chunk: Buffer): Buffer {
    return Buffer.from(this.#values(this.#lines(chunk.toString('latin1')), false), 'latin1');
  }

  /** The rest, once the stream has ended. */
  end(): Buffer {
    return Buffer.from(this.#values(this.#endLine(), true), 'latin1');
  }

  /** Masks directive lines; holds back the last line as long as it may be one. */
  #lines(chunk: string): string {
    if (this.#line === '' && this.#state !== 'dropping' && !directive.test(chunk)) {
      const lastStart = chunk.lastIndexOf('\n') + 1;
      if (lastStart > 0) this.#state = 'start';
      return chunk.slice(0, lastStart) + this.#piece(chunk.slice(lastStart));
    }
    let shown = '';
    for (let at = 0; at < chunk.length; ) {
      const newline = chunk.indexOf('\n', at);
      const end = newline === -1 ? chunk.length : newline;
      shown += this.#piece(chunk.slice(at, end));
      if (newline !== -1) shown += `${this.#endLine()}\n`;
      at = end + 1;
    }
    return shown;
  }

  /** Part of one line. */
  #piece(piece: string): string {
    if (this.#state === 'dropping' || piece === '') return '';
    if (this.#state === 'inside') return piece;
    const line = this.#line + piece;
    this.#line = '';
    if (!mayBeDirective(line)) {
      this.#state = 'inside';
      return line;
    }
    if (line.length > lineCharactersMax) {
      this.#state = 'dropping';
      return this.#mask(line);
    }
    this.#line = line;
    return '';
  }

  #endLine(): string {
    const line = this.#line;
    this.#line = '';
    this.#state = 'start';
    return directive.test(line) ? this.#mask(line) : line;
  }

  #mask(line: string): string {
    this.#masked = true;
    return maskDirective(line);
  }

  /** Masks values; holds back an end that may be the start of one. */
  #values(text: string, ended: boolean): string {
    const secrets = this.#secrets.bytes();
    const all = this.#held + text;
    this.#held = '';
    if (secrets.size === 0) return all;
    const stretches = occurrences(all, secrets);
    let length = ended ? all.length : firstOpen(all, secrets);
    const open = stretches.findLast(({ start, end }) => start < length && end > length);
    if (open !== undefined) length = open.start;
    this.#held = all.slice(length);
    if (stretches.some(({ start }) => start < length)) this.#masked = true;
    return maskAll(all, stretches, length);
  }
}

/** Whether a line without its end is a directive with a secret, or may become one. */
function mayBeDirective(line: string): boolean {
  if (line.length > lineCharactersMax) return directive.test(line);
  const text = line.trimStart().slice(0, directiveName.length).toLowerCase();
  return directiveName.startsWith(text);
}

/** Where the first end of the text begins that is the start of a secret; its length when none is. */
function firstOpen(text: string, secrets: ReadonlySet<string>): number {
  let longest = 0;
  for (const secret of secrets) longest = Math.max(longest, secret.length);
  for (let at = Math.max(0, text.length - longest + 1); at < text.length; at++) {
    const end = text.slice(at);
    for (const secret of secrets) if (secret.startsWith(end)) return at;
  }
  return text.length;
}
