import type { Clock } from '@karst/shared/clock.ts';
import { type LineStream, StatusLine } from '../terminal/status-line.ts';
import { formatBytes, formatDuration } from '../terminal/text.ts';

/** The rate is that of so long: what a person sees now, not what the morning was like. */
const RATE_WINDOW_MS = 15_000;
const SAMPLE_EVERY_MS = 500;
/** What a file costs besides its bytes: thousands of small ones say nothing of how long a large takes. */
const FILE_COST_BYTES = 128 * 1024;

interface Sample {
  atMs: number;
  files: number;
  bytes: number;
}

/** Bytes, with what the files cost besides. */
const workOf = ({ files = 0, bytes = 0 }: TransferTotals) => bytes + files * FILE_COST_BYTES;

/** How much there is to do, where that is known. */
export interface TransferTotals {
  files?: number;
  bytes?: number;
}

/** Shows how far a transfer is: files, bytes, the rate, and how long it will take. */
export class TransferMeter {
  readonly #line: StatusLine;
  readonly #clock: Clock;
  #verb = '';
  #totals: TransferTotals = {};
  #files = 0;
  #bytes = 0;
  #beganAtMs = 0;
  #samples: Sample[] = [];

  constructor(stream: LineStream, clock: Clock) {
    this.#line = new StatusLine(stream, clock);
    this.#clock = clock;
  }

  /** A new phase: "Uploading", of so much. */
  begin(verb: string, totals: TransferTotals = {}): void {
    this.#verb = verb;
    this.#totals = { ...totals };
    this.#files = 0;
    this.#bytes = 0;
    this.#beganAtMs = this.#clock.monotonicMs();
    this.#samples = [{ atMs: this.#beganAtMs, files: 0, bytes: 0 }];
  }

  /** Negative where bytes have to go again. */
  addBytes = (bytes: number): void => {
    this.#bytes += bytes;
    this.#show();
  };

  addFile = (): void => {
    this.#files++;
    this.#show();
  };

  /** Bytes that need not go: they were there. */
  skipBytes = (bytes: number): void => {
    if (this.#totals.bytes !== undefined) this.#totals.bytes -= bytes;
  };

  clear(): void {
    this.#line.clear();
  }

  #show(): void {
    const nowMs = this.#clock.monotonicMs();
    // Nothing that is over at once needs saying; the summary does.
    if (nowMs - this.#beganAtMs < 500) return;
    const { files, bytes } = this.#totals;
    const rates = this.#perSecond(nowMs);
    const said = [
      `${this.#verb} ${this.#files}${files === undefined ? '' : `/${files}`} files`,
      `${formatBytes(this.#bytes)}${bytes === undefined ? '' : ` of ${formatBytes(bytes)}`}`,
      `${formatBytes(rates.bytes)}/s`,
    ];
    const left = workOf(this.#totals) - workOf({ files: this.#files, bytes: this.#bytes });
    if (bytes !== undefined && left > 0 && rates.work > 0) {
      said.push(`${formatDuration((left / rates.work) * 1000)} left`);
    }
    this.#line.update(said.join(', '));
  }

  /** Over the window: bytes, and all that was done. */
  #perSecond(nowMs: number): { bytes: number; work: number } {
    const now = { atMs: nowMs, files: this.#files, bytes: this.#bytes };
    const last = this.#samples.at(-1);
    if (last === undefined || nowMs - last.atMs >= SAMPLE_EVERY_MS) {
      this.#samples.push(now);
      while ((this.#samples[1]?.atMs ?? nowMs) < nowMs - RATE_WINDOW_MS) this.#samples.shift();
    }
    const [first = now] = this.#samples;
    if (nowMs === first.atMs) return { bytes: 0, work: 0 };
    const seconds = (nowMs - first.atMs) / 1000;
    const rate = (amount: number) => Math.max(0, amount / seconds);
    return { bytes: rate(now.bytes - first.bytes), work: rate(workOf(now) - workOf(first)) };
  }
}
