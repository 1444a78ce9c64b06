import { sleep } from '@karst/shared/clock.ts';
import type { TaskOutput } from '../session/task-output.ts';

const lookEveryMs = 50;

export interface PrintTo {
  out: (text: string) => void;
  /** One line of what is going on. */
  say: (line: string) => void;
}

/** Prints what actions print as it comes, and their progress. */
export class OutputPrinter {
  readonly #to: PrintTo;

  constructor(to: PrintTo) {
    this.#to = to;
  }

  follow(output: TaskOutput): { end(): Promise<void> } {
    const over = new AbortController();
    const looking = this.#look(output, over.signal);
    return {
      end: async () => {
        over.abort();
        await looking;
        const before = { ...output.progress };
        this.#to.out(await output.finish());
        this.#progress(output, before);
      },
    };
  }

  async #look(output: TaskOutput, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      await sleep(lookEveryMs, over).catch(() => undefined);
      if (over.aborted) return;
      const before = { ...output.progress };
      const { text } = await output.advance();
      this.#to.out(text);
      this.#progress(output, before);
    }
  }

  #progress({ progress }: TaskOutput, before: TaskOutput['progress']): void {
    const { percent, status } = progress;
    if (status !== undefined && status !== before.status) this.#to.say(status);
    if (percent !== undefined && percent !== before.percent) this.#to.say(`${percent} %`);
  }
}
