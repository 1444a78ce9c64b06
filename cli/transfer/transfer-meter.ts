import type { Clock } from '@karst/shared/clock.ts';
import { StatusLine } from '../terminal/status-line.ts';
import { formatBytes } from '../terminal/text.ts';

/** Shows how far a transfer is: files, bytes, and the rate since it began. */
export class TransferMeter {
  readonly #line: StatusLine;
  readonly #clock: Clock;
  #verb = '';
  #files = 0;
  #filesTotal = 0;
  #bytes = 0;
  #beganAtMs = 0;

  constructor(stream: NodeJS.WriteStream, clock: Clock) {
    this.#line = new StatusLine(stream, clock);
    this.#clock = clock;
  }

  /** A new phase: "Uploading", of so many files; undefined where that is not known. */
  begin(verb: string, filesTotal?: number): void {
    this.#verb = verb;
    this.#files = 0;
    this.#filesTotal = filesTotal ?? 0;
    this.#bytes = 0;
    this.#beganAtMs = this.#clock.monotonicMs();
  }

  addBytes = (bytes: number): void => {
    this.#bytes += bytes;
    this.#show();
  };

  addFile = (): void => {
    this.#files++;
    this.#show();
  };

  clear(): void {
    this.#line.clear();
  }

  #show(): void {
    const seconds = (this.#clock.monotonicMs() - this.#beganAtMs) / 1000;
    // Nothing that is over at once needs saying; the summary does.
    if (seconds < 0.5) return;
    const files = this.#filesTotal > 0 ? `${this.#files}/${this.#filesTotal}` : `${this.#files}`;
    const rate = formatBytes(this.#bytes / seconds);
    this.#line.update(`${this.#verb} ${files} files, ${formatBytes(this.#bytes)}, ${rate}/s`);
  }
}
