import { InterruptedError } from '../failure.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Counts requests to stop: the first is for an orderly end, the second for one at once. */
export class StopRequests {
  readonly #first = new AbortController();
  readonly #second = new AbortController();
  readonly #requested = Promise.withResolvers<void>();
  readonly #onSignal = () => {
    if (this.#first.signal.aborted) this.#second.abort();
    this.#first.abort(new InterruptedError());
    this.#requested.resolve();
  };
  readonly #onParentGone = () => {
    this.#onSignal();
    this.#second.abort();
  };

  /** With `parent`, its end (our stdin closes) asks for a stop at once. */
  constructor(options: { parent: boolean }) {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
    if (options.parent) process.stdin.on('close', this.#onParentGone).resume();
  }

  get first(): AbortSignal {
    return this.#first.signal;
  }

  get second(): AbortSignal {
    return this.#second.signal;
  }

  /** Resolves with the first request. */
  requested(): Promise<void> {
    return this.#requested.promise;
  }

  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    process.stdin.off('close', this.#onParentGone).unref?.();
  }
}
