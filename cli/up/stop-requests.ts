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

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
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
  }
}
