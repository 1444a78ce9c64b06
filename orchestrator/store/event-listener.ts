import { type StudioId, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Logger } from 'pino';
import type { Redis } from './connection.ts';
import { EventFeed, type OnEvent, parseEntry } from './event-feed.ts';
import { keys } from './keys.ts';

/** One subscriber connection of a replica, fanned out to its watchers' feeds. */
export class EventListener {
  readonly #redis: Redis;
  readonly #subscriber: Redis;
  readonly #logger: Logger;
  readonly #feeds = new Map<StudioId, Set<EventFeed>>();
  #subscribed: Promise<unknown> | undefined;

  constructor(redis: Redis, subscriber: Redis, logger: Logger) {
    this.#redis = redis;
    this.#subscriber = subscriber;
    this.#logger = logger;
  }

  /** See EventBus. */
  async subscribe(
    studio: StudioId,
    fromId: string | undefined,
    onEvent: OnEvent,
    signal: AbortSignal,
  ): Promise<void> {
    if (signal.aborted) return;
    await this.#listen();
    if (signal.aborted) return;
    const feed = new EventFeed(this.#redis, studio, onEvent, this.#logger);
    const watchers = this.#feeds.get(studio) ?? new Set();
    this.#feeds.set(studio, watchers.add(feed));
    const end = () => {
      feed.end();
      watchers.delete(feed);
      if (watchers.size === 0 && this.#feeds.get(studio) === watchers) this.#feeds.delete(studio);
    };
    signal.addEventListener('abort', end, { once: true });
    try {
      await feed.start(fromId);
    } catch (error) {
      end();
      throw error;
    }
  }

  close(): void {
    this.#subscriber.off('message', this.#onMessage);
    this.#subscriber.off('ready', this.#onReady);
  }

  /** Subscribes at the first watcher; ioredis repeats it after each reconnection. */
  #listen(): Promise<unknown> {
    if (this.#subscribed === undefined) {
      this.#subscriber.on('message', this.#onMessage);
      this.#subscriber.on('ready', this.#onReady);
      this.#subscribed = this.#subscriber.subscribe(keys.eventsChannel()).catch((error) => {
        this.close();
        this.#subscribed = undefined;
        throw error;
      });
    }
    return this.#subscribed;
  }

  readonly #onMessage = (channel: string, message: string): void => {
    if (channel !== keys.eventsChannel()) return;
    const [studio, ...lines] = message.split('\n');
    const watchers = this.#feeds.get(studioIdSchema.parse(studio));
    if (watchers === undefined) return;
    const entries = lines.flatMap((line) => {
      const space = line.indexOf(' ');
      const entry = parseEntry(line.slice(0, space), line.slice(space + 1));
      return entry === undefined ? [] : [entry];
    });
    for (const feed of watchers) feed.receive(entries);
  };

  /** What was published while the connection was away is in the streams. */
  readonly #onReady = (): void => {
    for (const watchers of this.#feeds.values()) for (const feed of watchers) feed.catchUp();
  };
}
