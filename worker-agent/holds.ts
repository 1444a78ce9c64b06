import type { SyncResponse } from '@karst/shared/protocol/node.ts';
import type { Stop } from '@karst/shared/protocol/node-settings.ts';

/** Why the node takes no work though its agent serves, and what becomes of what runs. */
export interface Hold {
  stop: Stop;
  reason: string;
}

/** orchestrator: an operator or the node's schedule. person: somebody uses the machine. */
export type HoldSource = 'orchestrator' | 'person';

export type PreemptOrder = NonNullable<SyncResponse['preempt']>[number];

/** What the orchestrator says of it. */
export const holdOf = (answer: SyncResponse): Hold | undefined =>
  answer.draining
    ? {
        stop: answer.hardStop === true ? 'hard' : 'soft',
        reason: answer.drainReason ?? 'an operator drains this node',
      }
    : undefined;

/** What holds this node back, from either side. */
export class Holds {
  readonly #bySource = new Map<HoldSource, Hold>();

  /** Answers whether that changed anything. */
  set(source: HoldSource, hold: Hold | undefined): boolean {
    const before = this.#bySource.get(source);
    if (before?.stop === hold?.stop && before?.reason === hold?.reason) return false;
    if (hold === undefined) this.#bySource.delete(source);
    else this.#bySource.set(source, hold);
    return true;
  }

  /** The strictest of them; undefined: nothing holds it back. */
  get strictest(): Hold | undefined {
    const all = [...this.#bySource.values()];
    return all.find(({ stop }) => stop === 'hard') ?? all[0];
  }

  reasonOf(source: HoldSource): string | undefined {
    return this.#bySource.get(source)?.reason;
  }
}
