import { sleep } from '@karst/shared/clock.ts';
import type { FarmEvent } from '@karst/shared/protocol/event.ts';
import type { StudioId } from '@karst/shared/protocol/ids.ts';
import type { Logger } from 'pino';
import type { Redis } from './connection.ts';
import { EventBuffer } from './event-buffer.ts';
import { keys } from './keys.ts';
import { loadScript } from './script.ts';

const FLUSH_MS = 50;
const FLUSH_EVENTS = 500;
/** How far back a watcher may resume, about. */
const EVENTS_KEPT = 10_000;

const publishEvents = loadScript('publish_events');

/** Gathers events for up to FLUSH_MS or FLUSH_EVENTS, then appends them to their studios' streams. */
export class EventPublisher {
  readonly #redis: Redis;
  readonly #logger: Logger;
  readonly #buffers = new Map<StudioId, EventBuffer>();
  /** Studios that lost events of ours to an outage: their watchers must read again. */
  readonly #lossy = new Set<StudioId>();
  readonly #closing = new AbortController();
  #timer: Promise<void> | undefined;
  #sending = Promise.resolve();

  constructor(redis: Redis, logger: Logger) {
    this.#redis = redis;
    this.#logger = logger;
  }

  publish(studio: StudioId, event: FarmEvent): void {
    if (this.#closing.signal.aborted) return;
    let buffer = this.#buffers.get(studio);
    if (buffer === undefined) {
      buffer = new EventBuffer();
      this.#buffers.set(studio, buffer);
    }
    buffer.add(event);
    if (buffer.size >= FLUSH_EVENTS) void this.#flush();
    else this.#timer ??= this.#flushSoon();
  }

  /** Sends what waits. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#timer;
    await this.#flush();
  }

  async #flushSoon(): Promise<void> {
    await sleep(FLUSH_MS, this.#closing.signal).catch(() => undefined);
    this.#timer = undefined;
    await this.#flush();
  }

  /** One flush at a time: two at once could reach Redis in either order. */
  #flush(): Promise<void> {
    this.#sending = this.#sending.then(async () => {
      const taken = [...this.#buffers].map(([studio, buffer]) => [studio, buffer.take()] as const);
      this.#buffers.clear();
      await Promise.all(taken.map(([studio, events]) => this.#send(studio, events)));
    });
    return this.#sending;
  }

  async #send(studio: StudioId, events: FarmEvent[]): Promise<void> {
    if (this.#lossy.has(studio)) events.unshift({ type: 'reset' });
    try {
      await publishEvents.run(
        this.#redis,
        { stream_key: keys.studioEvents(studio) },
        { channel: keys.eventsChannel(), studio, events_max: EVENTS_KEPT },
        events.map((event) => JSON.stringify(event)),
      );
      this.#lossy.delete(studio);
    } catch (error) {
      this.#lossy.add(studio);
      this.#logger.warn({ err: error, studio, events: events.length }, 'events are lost');
    }
  }
}
