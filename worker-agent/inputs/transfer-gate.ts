interface Waiting {
  isUrgent: () => boolean;
  admit: (isUrgent: boolean) => void;
}

/** Downloads at once, over all leases of the agent. */
const atOnceMax = 16;
/** Of those that nobody waits for yet. */
const unhurriedMax = 4;

/**
 * Who may download now: what tasks wait for, in order of asking; what is fetched ahead only while
 * nothing of that runs or waits. A download enters for each piece of a file, so it steps aside soon.
 */
export class TransferGate {
  readonly #waiting: Waiting[] = [];
  #urgent = 0;
  #unhurried = 0;

  /** Resolves to what is to be called once at the end; rejects when `signal` aborts before its turn. */
  enter(isUrgent: () => boolean, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const forget = () => {
        const at = this.#waiting.indexOf(waiting);
        if (at !== -1) this.#waiting.splice(at, 1);
        reject(signal.reason);
      };
      const waiting: Waiting = {
        isUrgent,
        admit: (urgent) => {
          signal.removeEventListener('abort', forget);
          resolve(() => this.#leave(urgent));
        },
      };
      signal.addEventListener('abort', forget, { once: true });
      this.#waiting.push(waiting);
      this.reconsider();
    });
  }

  /** To be called when what waits has become urgent. */
  reconsider(): void {
    while (this.#urgent + this.#unhurried < atOnceMax) {
      const at = this.#waiting.findIndex(({ isUrgent }) => isUrgent());
      if (at === -1) break;
      this.#admit(at, true);
    }
    while (this.#urgent === 0 && this.#waiting.length > 0 && this.#unhurried < unhurriedMax) {
      if (this.#waiting.some(({ isUrgent }) => isUrgent())) return;
      this.#admit(0, false);
    }
  }

  #admit(at: number, urgent: boolean): void {
    const [waiting] = this.#waiting.splice(at, 1);
    if (urgent) this.#urgent += 1;
    else this.#unhurried += 1;
    waiting?.admit(urgent);
  }

  #leave(urgent: boolean): void {
    if (urgent) this.#urgent -= 1;
    else this.#unhurried -= 1;
    this.reconsider();
  }
}
