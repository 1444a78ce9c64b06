import type { FarmEvent } from '@karst/shared/protocol/event.ts';
import type { OutputDownloader } from './download-outputs.ts';
import type { OutputSelection } from './output-pages.ts';

/** Runs of tasks known to have ended well, waiting to be asked for; more than these: all is asked for. */
const RUNS_MAX = 50;

type TaskRun = { step: string; firstTask: number; lastTask: number };

/** Brings the outputs of tasks as they finish: told by events which, it asks for those alone. */
export class OutputFollower {
  readonly #downloader: OutputDownloader;
  readonly #selection: OutputSelection;
  #runs: TaskRun[] = [];
  #allAreWanted = true;
  #news = Promise.withResolvers<void>();

  constructor(downloader: OutputDownloader, selection: OutputSelection) {
    this.#downloader = downloader;
    this.#selection = selection;
  }

  onEvent(event: FarmEvent): void {
    // Events before it may have been missed.
    if (event.type === 'reset') this.#allAreWanted = true;
    else if (event.type === 'tasks' && event.state === 'succeeded') this.#add(event);
    else return;
    this.#news.resolve();
  }

  #add({ step, first, last }: { step: string; first: number; last: number }): void {
    if (this.#selection.step !== undefined && this.#selection.step !== step) return;
    const latest = this.#runs.at(-1);
    if (latest?.step === step && latest.lastTask + 1 === first) latest.lastTask = last;
    else this.#runs.push({ step, firstTask: first, lastTask: last });
    if (this.#runs.length <= RUNS_MAX) return;
    this.#allAreWanted = true;
  }

  /** Until `signal` aborts: throws its reason, or why a download failed. */
  async run(signal: AbortSignal): Promise<never> {
    const aborted = Promise.withResolvers<never>();
    aborted.promise.catch(() => undefined);
    const abort = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      for (;;) {
        signal.throwIfAborted();
        await this.#bringKnown(signal);
        await Promise.race([this.#news.promise, aborted.promise]);
        this.#news = Promise.withResolvers();
      }
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async #bringKnown(signal: AbortSignal): Promise<void> {
    while (this.#allAreWanted || this.#runs.length > 0) {
      const isAll = this.#allAreWanted;
      this.#allAreWanted = false;
      const next = this.#runs[0];
      // What is asked for below holds all that ended before.
      if (isAll) this.#runs = [];
      else this.#runs.shift();
      await this.#downloader.bring({ ...this.#selection, ...(isAll ? {} : next) }, signal);
    }
  }
}
