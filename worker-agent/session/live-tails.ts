import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { LeaseId } from '@karst/shared/protocol/ids.ts';
import type { TaskOutput, TaskProgress } from './task-output.ts';

/** Looks at running tasks' output this often; tasks that end sooner are never looked at meanwhile. */
const lookEveryMs = 500;

export interface TailEvents {
  progressed(leaseId: LeaseId, task: number, progress: TaskProgress): void;
  /** Best effort: settles when it was sent or couldn't be, and never rejects. */
  sendText(leaseId: LeaseId, task: number, text: string): Promise<void>;
}

export interface Tail {
  /** Reads the output to its end. */
  end(): Promise<void>;
}

/** When a task is silent, and what then. */
export interface Silence {
  seconds: number;
  /** Told once, when it has been silent for so long. */
  reached(): void;
}

interface Followed {
  leaseId: LeaseId;
  task: number;
  output: TaskOutput;
  sinceMs: number;
  /** Reading, so that reads of one task never overlap. */
  reading: Promise<void>;
  /** Sending, one piece after the other. */
  sending: Promise<void>;
  /** Pieces not sent yet: while there is one, nothing more is read. */
  unsent: number;
  live: boolean;
  silence: Silence | undefined;
  /** When it last printed something, or began. */
  spokeMs: number;
}

/** Follows the output of running tasks, all with one timer. */
export class LiveTails {
  readonly #events: TailEvents;
  readonly #clock: Clock;
  readonly #followed = new Set<Followed>();
  readonly #closed = new AbortController();
  #ticking = false;

  constructor(events: TailEvents, clock: Clock) {
    this.#events = events;
    this.#clock = clock;
  }

  follow(leaseId: LeaseId, task: number, output: TaskOutput, silence?: Silence): Tail {
    const followed: Followed = {
      leaseId,
      task,
      output,
      sinceMs: this.#clock.monotonicMs(),
      reading: Promise.resolve(),
      sending: Promise.resolve(),
      unsent: 0,
      live: false,
      silence,
      spokeMs: this.#clock.monotonicMs(),
    };
    this.#followed.add(followed);
    if (!this.#ticking) void this.#tick();
    return { end: () => this.#end(followed) };
  }

  /** Looks no more. */
  close(): void {
    this.#closed.abort();
  }

  async #tick(): Promise<void> {
    this.#ticking = true;
    while (this.#followed.size > 0 && !this.#closed.signal.aborted) {
      await sleep(lookEveryMs, this.#closed.signal).catch(() => undefined);
      const nowMs = this.#clock.monotonicMs();
      for (const followed of this.#followed) {
        if (nowMs - followed.sinceMs < lookEveryMs || followed.unsent > 0) continue;
        followed.live = true;
        followed.reading = followed.reading.then(() => this.#look(followed));
      }
    }
    this.#ticking = false;
  }

  async #look(followed: Followed): Promise<void> {
    const { text, progressed } = await followed.output.advance();
    if (this.#hearSilence(followed, text) || progressed) {
      this.#events.progressed(followed.leaseId, followed.task, followed.output.progress);
    }
    this.#send(followed, text);
  }

  /** Whether it fell silent, or speaks again. */
  #hearSilence(followed: Followed, text: string): boolean {
    const { silence, output } = followed;
    const nowMs = this.#clock.monotonicMs();
    if (text !== '') {
      followed.spokeMs = nowMs;
      if (output.progress.silentSeconds === undefined) return false;
      delete output.progress.silentSeconds;
      return true;
    }
    const silentSeconds = Math.floor((nowMs - followed.spokeMs) / 1000);
    if (silence === undefined || silentSeconds < silence.seconds) return false;
    if (output.progress.silentSeconds !== undefined) return false;
    output.progress.silentSeconds = silentSeconds;
    silence.reached();
    return true;
  }

  /** The task's result doesn't wait for it: an orchestrator out of reach must not hold a slot. */
  #send(followed: Followed, text: string): void {
    if (text === '') return;
    const { leaseId, task } = followed;
    followed.unsent += 1;
    followed.sending = followed.sending
      .then(() => this.#events.sendText(leaseId, task, text))
      .then(() => {
        followed.unsent -= 1;
      });
  }

  async #end(followed: Followed): Promise<void> {
    this.#followed.delete(followed);
    await followed.reading;
    const text = await followed.output.finish();
    if (followed.live) this.#send(followed, text);
  }
}
