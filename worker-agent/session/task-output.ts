import { StringDecoder } from 'node:string_decoder';
import type { TaskLog } from '../process/task-log.ts';
import { parseDirective } from './directives.ts';
import { LineSplitter } from './line-splitter.ts';
import { parseRendererProgress } from './renderer-progress.ts';

/** What a running task has said of itself. */
export interface TaskProgress {
  percent?: number;
  status?: string;
}

const pieceBytes = 256 * 1024;
/** More than this between two looks is cut from the live tail; the full log has it. Characters. */
const liveTextMax = 100_000;
const statusCharactersMax = 1024;
const failCharactersMax = 2000;

/** Reads a task's output as it grows: directives, renderers' progress, text for people who watch. */
export class TaskOutput {
  readonly progress: TaskProgress = {};
  /** The last openjd_fail message. */
  failMessage: string | undefined;
  readonly #log: TaskLog;
  readonly #lines = new LineSplitter();
  readonly #decoder = new StringDecoder('utf8');
  #position = 0;

  constructor(log: TaskLog) {
    this.#log = log;
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
      text += this.#decoder.write(piece);
      if (text.length > 2 * liveTextMax) text = text.slice(-liveTextMax);
    }
    if (text.length > liveTextMax) text = `[…]\n${text.slice(-liveTextMax)}`;
    return { text, progressed };
  }

  /** As advance, once the task has ended: its last line may lack a line end. */
  async finish(): Promise<string> {
    const { text } = await this.advance();
    for (const line of this.#lines.end()) this.#read(line);
    return text + this.#decoder.end();
  }

  #read(line: string): boolean {
    const directive = parseDirective(line);
    switch (directive?.kind) {
      case 'progress':
        this.progress.percent = directive.percent;
        return true;
      case 'status':
        this.progress.status = directive.message.slice(0, statusCharactersMax);
        return true;
      case 'fail':
        this.failMessage = directive.message.slice(0, failCharactersMax);
        return false;
      case undefined: {
        const rendered = parseRendererProgress(line);
        if (rendered === undefined) return false;
        Object.assign(this.progress, rendered);
        return true;
      }
    }
  }
}
