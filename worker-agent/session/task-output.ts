import { StringDecoder } from 'node:string_decoder';
import type { TaskLog } from '../process/task-log.ts';
import { type Directive, parseDirective } from './directives.ts';
import type { SignWatch } from './failure-signs.ts';
import { LineSplitter } from './line-splitter.ts';
import { Redactor } from './redactor.ts';
import { parseRendererProgress } from './renderer-progress.ts';
import type { Secrets } from './secrets.ts';
import type { SessionVariables } from './session-variables.ts';

/** What a running task has said of itself. */
export interface TaskProgress {
  percent?: number;
  status?: string;
  /** Since when it prints nothing, once that is too long. */
  silentSeconds?: number;
}

const pieceBytes = 256 * 1024;
/** Of the live tail. */
const liveTextMax = 100_000;
const statusCharactersMax = 1024;
const failCharactersMax = 2000;

export interface OutputOptions {
  /** Of the session; those the action tells are added. */
  secrets: Secrets;
  /** What came before this position of the log is not this action's. */
  from?: number;
  /** What openjd_env and openjd_unset_env change; absent where nobody may change anything. */
  variables?: SessionVariables;
  /** Whether openjd_redacted_env changes them as well; else it only masks. */
  redactedVariables?: boolean;
  /** Reads every line too. */
  signs?: SignWatch;
  /** More text than this between two looks is cut in front, characters; the full log has it. */
  textMax?: number;
}

/** Reads an action's output as it grows: directives, renderers' progress, text for people who watch. */
export class TaskOutput {
  readonly progress: TaskProgress = {};
  /** The last openjd_fail message. */
  failMessage: string | undefined;
  /** The first malformed directive that may not be ignored. */
  malformed: string | undefined;
  readonly #log: TaskLog;
  readonly #secrets: Secrets;
  readonly #variables: SessionVariables | undefined;
  readonly #redactedVariables: boolean;
  readonly #lines = new LineSplitter();
  readonly #redactor: Redactor;
  readonly #decoder = new StringDecoder('utf8');
  readonly #textMax: number;
  readonly #signs: SignWatch | undefined;
  #position: number;
  /** The action tells its progress itself, so what its renderer says of one frame is not it. */
  #tellsProgress = false;

  constructor(
    log: TaskLog,
    {
      secrets,
      from = 0,
      variables,
      redactedVariables = false,
      textMax = liveTextMax,
      signs,
    }: OutputOptions,
  ) {
    this.#log = log;
    this.#secrets = secrets;
    this.#variables = variables;
    this.#redactedVariables = redactedVariables;
    this.#redactor = new Redactor(secrets);
    this.#position = from;
    this.#textMax = textMax;
    this.#signs = signs;
  }

  /** Whether the log itself holds something nobody may read. */
  get isSecret(): boolean {
    return this.#redactor.masked;
  }

  /**
   * Reads what has come since the last call. Returns it as text for the live tail, cut in the front
   * when it is long, and whether the progress changed.
   */
  async advance(): Promise<{ text: string; progressed: boolean }> {
    let text = '';
    let progressed = false;
    for (;;) {
      const piece = await this.#log.read(this.#position, pieceBytes);
      if (piece.length === 0) break;
      this.#position += piece.length;
      for (const line of this.#lines.push(piece)) progressed = this.#read(line) || progressed;
      text += this.#decoder.write(this.#redactor.push(piece));
      if (text.length > 2 * this.#textMax) text = text.slice(-this.#textMax);
    }
    if (text.length > this.#textMax) text = `[…]\n${text.slice(-this.#textMax)}`;
    return { text, progressed };
  }

  /** As advance, once the task has ended: its last line may lack a line end. */
  async finish(): Promise<string> {
    const { text } = await this.advance();
    for (const line of this.#lines.end()) this.#read(line);
    return text + this.#decoder.write(this.#redactor.end()) + this.#decoder.end();
  }

  /** Whether the progress changed. */
  #read(line: string): boolean {
    this.#signs?.read(line);
    const directive = parseDirective(line);
    if (directive !== undefined) return this.#obey(directive);
    const rendered = this.#tellsProgress ? undefined : parseRendererProgress(line);
    if (rendered === undefined) return false;
    Object.assign(this.progress, rendered);
    return true;
  }

  #obey(directive: Directive): boolean {
    switch (directive.kind) {
      case 'progress':
        this.#tellsProgress = true;
        this.progress.percent = directive.percent;
        return true;
      case 'status':
        this.progress.status = this.#told(directive.message, statusCharactersMax);
        return true;
      case 'fail':
        this.failMessage = this.#told(directive.message, failCharactersMax);
        return false;
      case 'env':
        if (directive.secret) this.#secrets.add(directive.value);
        if (!directive.secret || this.#redactedVariables) {
          this.#variables?.set(directive.name, directive.value);
        }
        return false;
      case 'unset_env':
        this.#variables?.unset(directive.name);
        return false;
      case 'malformed':
        if (directive.secret !== undefined) this.#secrets.add(directive.secret);
        this.malformed ??= directive.message;
        return false;
    }
  }

  #told(message: string, charactersMax: number): string {
    return this.#secrets.redact(message).slice(0, charactersMax);
  }
}
