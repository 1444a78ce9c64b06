import type { Clock } from '@karst/shared/clock.ts';
import type { SyncRequestInput, SyncResponse } from '@karst/shared/protocol/node.ts';
import type { Random } from '@karst/shared/random.ts';
import { Backoff } from '../http/backoff.ts';
import type { CallFailure, OrchestratorClient } from '../http/orchestrator-client.ts';
import type { WakeUp } from './wake-up.ts';

/** What a call says beside the boot and the sequence number. */
export type SyncContent = Omit<SyncRequestInput, 'bootId' | 'bootedAtMs' | 'seq'>;

export interface SyncSide {
  /** Everything there is to say now. */
  compose(): SyncContent;
  /** Whether the node could take another lease now. */
  wantsWork(): boolean;
  /** A call was answered; `sentAtMs` is monotonic. Called for overtaken calls too. */
  answered(request: SyncContent, response: SyncResponse, sentAtMs: number): void;
  /** A call failed; it will be repeated unless the loop was stopped. */
  failed(request: SyncContent, failure: CallFailure): void;
  /** How long to wait at most between tries, ms. */
  patienceMs(): number;
}

export interface Boot {
  bootId: string;
  bootedAtMs: number;
}

/** An empty answer to a long poll that came this fast was no long poll. */
const hastyMs = 100;
/**
 * A node with leases that wants no more polls all the same, to hear at once of those it loses; but not
 * before a moment without news, or a node of short tasks would call twice for each report.
 */
const busyRestMs = 200;

/**
 * The agent's one conversation with the orchestrator. One call at a time, with one exception: while a
 * long poll waits and there is something to say, a newer call overtakes it; the orchestrator then
 * answers the older one empty.
 */
export class SyncLoop {
  readonly #client: OrchestratorClient;
  readonly #side: SyncSide;
  readonly #boot: Boot;
  readonly #news: WakeUp;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #calls = new AbortController();
  #seq = 0;
  #stopped = false;

  /** `news` is set by whoever has something to say; the loop clears it. */
  constructor(
    client: OrchestratorClient,
    side: SyncSide,
    boot: Boot,
    news: WakeUp,
    sources: { clock: Clock; random: Random },
  ) {
    this.#client = client;
    this.#side = side;
    this.#boot = boot;
    this.#news = news;
    this.#clock = sources.clock;
    this.#backoff = new Backoff(sources.random);
  }

  /** Ends run() and drops calls under way. */
  stop(): void {
    this.#stopped = true;
    this.#calls.abort();
    this.#news.set();
  }

  async run(): Promise<void> {
    while (!this.#stopped) {
      this.#news.clear();
      const content = this.#side.compose();
      const sentAtMs = this.#clock.monotonicMs();
      const answer = this.#call(content, sentAtMs);
      const polling = (content.waitMs ?? 0) > 0;
      const outcome = await (polling ? this.#unlessOvertaken(answer) : answer);
      if (outcome === 'overtaken') continue;
      if (outcome === 'failed') {
        await this.#pause(this.#backoff.nextMs(this.#side.patienceMs()));
        continue;
      }
      this.#backoff.reset();
      if (this.#stopped) return;
      const tookMs = this.#clock.monotonicMs() - sentAtMs;
      const hasty = polling && tookMs < hastyMs && outcome.grants.length === 0;
      if (!this.#news.isSet) await this.#rest(outcome, hasty);
    }
  }

  /**
   * Between an answer and the next call, unless there is news. `hasty`: a long poll was answered at
   * once, with nothing or with something dealt with by now.
   */
  async #rest(answer: SyncResponse, hasty: boolean): Promise<void> {
    if (this.#side.wantsWork()) {
      if (hasty) await this.#news.within(hastyMs);
      return;
    }
    const nextMs = Math.max(1, answer.nextSyncMs);
    await this.#news.within(hasty ? nextMs : Math.min(nextMs, busyRestMs));
  }

  async #unlessOvertaken<T>(answer: Promise<T>): Promise<T | 'overtaken'> {
    const over = new AbortController();
    const overtaken = this.#news.whenSet(over.signal).then(() => 'overtaken' as const);
    const outcome = await Promise.race([answer, overtaken]);
    over.abort();
    return outcome;
  }

  /** News doesn't cut a pause short: calls would otherwise hammer an orchestrator that is down. */
  async #pause(ms: number): Promise<void> {
    const until = this.#clock.monotonicMs() + ms;
    for (
      let leftMs = ms;
      leftMs > 0 && !this.#stopped;
      leftMs = until - this.#clock.monotonicMs()
    ) {
      this.#news.clear();
      await this.#news.within(leftMs);
    }
  }

  async #call(content: SyncContent, sentAtMs: number): Promise<SyncResponse | 'failed'> {
    this.#seq += 1;
    const request = { ...this.#boot, seq: this.#seq, ...content };
    const answer = await this.#client.sync(request, this.#calls.signal);
    if (this.#stopped) return 'failed';
    if (!answer.ok) {
      this.#side.failed(content, answer.error);
      return 'failed';
    }
    this.#side.answered(content, answer.value, sentAtMs);
    return answer.value;
  }
}
