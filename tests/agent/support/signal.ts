import { EventEmitter, once } from 'node:events';

/** State that tests wait for: `until` asks again whenever something changed. */
export class Changes {
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  changed(): void {
    this.#emitter.emit('change');
  }

  /** Resolves to the first value of `ask` that is not undefined or false. */
  async until<T>(ask: () => T | undefined | false): Promise<T> {
    for (;;) {
      const value = ask();
      if (value !== undefined && value !== false) return value;
      await once(this.#emitter, 'change');
    }
  }
}
