import { type Clock, sleep } from '@karst/shared/clock.ts';
import { type FarmEvent, farmEventSchema } from '@karst/shared/protocol/event.ts';
import { type Job, terminalJobStates } from '@karst/shared/protocol/job.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { backoffMs } from '../api/backoff.ts';
import { type ApiClient, isTransient, UnreachableError } from '../api/client.ts';
import { asBrokenAnswer, NetworkError } from '../api/http.ts';
import { messageOf } from '../failure.ts';
import { JobView } from './job-view.ts';
import { readServerSentEvents } from './server-sent-events.ts';

/** Events are hints; this often the job is read anyway. */
const SAFETY_READ_MS = 15_000;
/** Also how often it is read while a finished job's outputs are being published: no event tells that. */
const TICK_MS = 500;
/** The events' heartbeats are more frequent: silence means a dead connection. */
const EVENTS_IDLE_MS_MAX = 60_000;
const UNREACHABLE_MS_MAX = 10 * 60_000;
const reconnect = { firstDelayMs: 200, delayMsMax: 5000 };

export interface WatchOptions {
  api: ApiClient;
  clock: Clock;
  signal: AbortSignal;
  onChange: (view: JobView) => void;
  /** Each event of the job; 'reset' also where some may have been missed: on every connection. */
  onEvent?: ((event: FarmEvent) => void) | undefined;
  /** Said once when contact breaks, and once when it is back. */
  onContact: (isThere: boolean) => void;
}

/**
 * Follows a job to its end, through restarts of the orchestrator. Answers the settled job. Throws
 * what the API refuses for good, UnreachableError after ten minutes without contact, and the
 * signal's reason.
 */
export async function watchJob(jobId: string, options: WatchOptions): Promise<Job> {
  const first = await options.api.call(
    routes.getJob,
    { params: { jobId } },
    { signal: options.signal },
  );
  return new Watch(jobId, first, options).run();
}

class Watch {
  readonly #jobId: string;
  readonly #options: WatchOptions;
  readonly #view: JobView;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #settled = Promise.withResolvers<Job>();
  #contactAtMs: number;
  #hasContact = true;
  #lastEventId: string | undefined;

  constructor(jobId: string, job: Job, options: WatchOptions) {
    this.#jobId = jobId;
    this.#options = options;
    this.#view = new JobView(job);
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    this.#contactAtMs = options.clock.monotonicMs();
  }

  async run(): Promise<Job> {
    this.#changed();
    const loops = [this.#followEvents(), this.#readNowAndThen()];
    // A loop ends by failing: by the abort below once the job has settled, or with the reason to stop.
    for (const loop of loops) loop.catch((error: unknown) => this.#settled.reject(error));
    try {
      return await this.#settled.promise;
    } finally {
      this.#stop.abort();
      await Promise.allSettled(loops);
    }
  }

  #changed(): void {
    this.#options.onChange(this.#view);
    if (this.#view.isSettled) this.#settled.resolve(this.#view.job);
  }

  async #read(): Promise<void> {
    const { api } = this.#options;
    const input = { params: { jobId: this.#jobId } };
    const job = await api.call(routes.getJob, input, { signal: this.#signal, retry: 'never' });
    this.#contact();
    this.#view.replace(job);
    this.#changed();
  }

  async #readNowAndThen(): Promise<never> {
    const { clock } = this.#options;
    let readAtMs = clock.monotonicMs();
    for (;;) {
      await sleep(TICK_MS, this.#signal);
      const isPublishing = terminalJobStates.has(this.#view.job.state);
      if (!isPublishing && clock.monotonicMs() - readAtMs < SAFETY_READ_MS) continue;
      readAtMs = clock.monotonicMs();
      await this.#read().catch((error: unknown) => this.#lostContact(error));
    }
  }

  async #followEvents(): Promise<never> {
    for (let failures = 0; ; ) {
      try {
        for await (const event of await this.#openEvents()) {
          failures = 0;
          await event();
        }
        // The orchestrator closed the stream: it is shutting down.
      } catch (error) {
        this.#signal.throwIfAborted();
        this.#lostContact(asBrokenAnswer(error));
      }
      failures++;
      const { api } = this.#options;
      await sleep(backoffMs(reconnect, failures, api.random), this.#signal);
    }
  }

  /** Connects, catches up by reading the job, then yields each event as the work it asks for. */
  async #openEvents(): Promise<AsyncGenerator<() => Promise<void>>> {
    const { api } = this.#options;
    const answer = await api.stream(
      routes.streamEvents,
      { query: { jobId: this.#jobId } },
      {
        signal: this.#signal,
        retry: 'never',
        idleMsMax: EVENTS_IDLE_MS_MAX,
        headers: this.#lastEventId === undefined ? {} : { 'last-event-id': this.#lastEventId },
      },
    );
    await this.#read();
    this.#options.onEvent?.({ type: 'reset' });
    return this.#events(readServerSentEvents(answer));
  }

  async *#events(frames: ReturnType<typeof readServerSentEvents>) {
    for await (const frame of frames) {
      if (frame.id !== undefined) this.#lastEventId = frame.id;
      const parsed = farmEventSchema.safeParse(parseJson(frame.data));
      // A kind of event this CLI does not know is no news for it.
      if (!parsed.success) continue;
      const event = parsed.data;
      if ('jobId' in event && event.jobId !== this.#jobId) continue;
      yield async () => {
        this.#contact();
        this.#options.onEvent?.(event);
        if (this.#view.apply(event) === 'read again') await this.#read();
        else this.#changed();
      };
    }
  }

  #contact(): void {
    this.#contactAtMs = this.#options.clock.monotonicMs();
    if (this.#hasContact) return;
    this.#hasContact = true;
    this.#options.onContact(true);
  }

  /** Swallows what may pass, until it has lasted too long. */
  #lostContact(error: unknown): void {
    this.#signal.throwIfAborted();
    if (!isTransient(error) && !(error instanceof NetworkError)) throw error;
    const silentMs = this.#options.clock.monotonicMs() - this.#contactAtMs;
    if (silentMs > UNREACHABLE_MS_MAX) {
      throw new UnreachableError(`${messageOf(error)} The job may still be going on.`, {
        cause: error,
      });
    }
    if (!this.#hasContact) return;
    this.#hasContact = false;
    this.#options.onContact(false);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The event schema refuses it.
    return undefined;
  }
}
