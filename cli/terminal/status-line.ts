import type { Clock } from '@karst/shared/clock.ts';
import { clip } from './text.ts';

const REDRAW_MS = 100;
const PLAIN_LINE_MS = 2000;

/** What a line is shown on: process.stderr, or whatever stands in for it. */
export interface LineStream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

/**
 * One line that says how something is going: redrawn in place on a terminal; elsewhere (a pipe, a
 * log file) a plain line at most every two seconds, and whenever something `important` happened.
 */
export class StatusLine {
  readonly #stream: LineStream;
  readonly #clock: Clock;
  readonly isLive: boolean;
  #shownAtMs = Number.NEGATIVE_INFINITY;
  #shown = '';

  constructor(stream: LineStream, clock: Clock) {
    this.#stream = stream;
    this.#clock = clock;
    this.isLive = stream.isTTY === true;
  }

  get columns(): number {
    return this.isLive ? this.#stream.columns || 80 : 200;
  }

  update(text: string, options: { important?: boolean } = {}): void {
    const elapsedMs = this.#clock.monotonicMs() - this.#shownAtMs;
    const dueMs = this.isLive ? REDRAW_MS : PLAIN_LINE_MS;
    if (text === this.#shown || (elapsedMs < dueMs && !options.important)) return;
    this.#shown = text;
    this.#shownAtMs = this.#clock.monotonicMs();
    if (this.isLive) this.#stream.write(`\r\x1b[K${clip(text, this.columns - 1)}`);
    else this.#stream.write(`${text}\n`);
  }

  /** A line that stays. */
  note(text: string): void {
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  /** Removes the live line, so that other text starts at the margin. */
  clear(): void {
    if (this.isLive && this.#shown !== '') this.#stream.write('\r\x1b[K');
    this.#shown = '';
  }
}
