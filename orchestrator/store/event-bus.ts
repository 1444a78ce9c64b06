import { sleep } from '@karst/shared/clock.ts';
import type { FarmEvent } from '@karst/shared/protocol/event.ts';
import { type StudioId, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { EventBuffer } from './event-buffer.ts';
import { EventFeed, type OnEvent, parseEntry } from './event-feed.ts';
import { keys } from './keys.ts';
import { loadScript } from './script.ts';

/** A studio's events: hints to those who watch, never the truth. */
export interface EventBus {
  /** Never waits and never fails: sent within FLUSH_MS; after an outage watchers get a `reset`. */
  publish(studio: StudioId, event: FarmEvent): void;
  /**
   * Calls `onEvent` for each event after `fromId` (default: from now on), in order, until `signal`
   * aborts. A `reset` comes where events are no longer kept. Resolves once the subscription stands:
   * whatever is published from then on is passed on. Rejects when Redis can't be read.
   */
  subscribe(
    studio: StudioId,
    fromId: string | undefined,
    onEvent: OnEvent,
    signal: AbortSignal,
  ): Promise<void>;
  /** Sends what waits and ends. The connections stay the caller's. */
  close(): Promise<void>;
}

const FLUSH_MS = 50;
const FLUSH_EVENTS = 500;
/** How far back a watcher may resume, about. */
const EVENTS_KEPT = 10_000;

const publishEvents = loadScript('publish_events');

/** `subscriber`: a connection of its own; the bus puts it into subscriber mode. */
export function createEventBus(redis: Redis, subscriber: Redis, logger: Logger): EventBus {
  const buffers = new Map<StudioId, EventBuffer>();
  /** Studios that lost events of ours to an outage: their watchers must read again. */
  const lossy = new Set<StudioId>();
  const feeds = new Map<StudioId, Set<EventFeed>>();
  const closing = new AbortController();
  let timer: Promise<void> | undefined;
  let sending = Promise.resolve();
  let subscribed: Promise<unknown> | undefined;

  const send = async (studio: StudioId, events: FarmEvent[]) => {
    if (lossy.has(studio)) events.unshift({ type: 'reset' });
    try {
      await publishEvents.run(
        redis,
        { stream_key: keys.studioEvents(studio) },
        { channel: keys.eventsChannel(), studio, events_max: EVENTS_KEPT },
        events.map((event) => JSON.stringify(event)),
      );
      lossy.delete(studio);
    } catch (error) {
      lossy.add(studio);
      logger.warn({ err: error, studio, events: events.length }, 'events are lost');
    }
  };
  /** One flush at a time: two at once could reach Redis in either order. */
  const flush = () => {
    sending = sending.then(async () => {
      const taken = [...buffers].map(([studio, buffer]) => [studio, buffer.take()] as const);
      buffers.clear();
      await Promise.all(taken.map(([studio, events]) => send(studio, events)));
    });
    return sending;
  };
  const flushSoon = async () => {
    await sleep(FLUSH_MS, closing.signal).catch(() => undefined);
    timer = undefined;
    await flush();
  };

  const onMessage = (_channel: string, message: string) => {
    const [studio, ...lines] = message.split('\n');
    const watchers = feeds.get(studioIdSchema.parse(studio));
    if (watchers === undefined) return;
    const entries = lines.flatMap((line) => {
      const space = line.indexOf(' ');
      const entry = parseEntry(line.slice(0, space), line.slice(space + 1));
      return entry === undefined ? [] : [entry];
    });
    for (const feed of watchers) feed.receive(entries);
  };
  /** What was published while the connection was away is in the streams. */
  const onReady = () => {
    for (const watchers of feeds.values()) for (const feed of watchers) feed.catchUp();
  };
  const listen = () => {
    if (subscribed === undefined) {
      subscriber.on('message', onMessage);
      subscriber.on('ready', onReady);
      subscribed = subscriber.subscribe(keys.eventsChannel()).catch((error: unknown) => {
        subscribed = undefined;
        subscriber.off('message', onMessage);
        subscriber.off('ready', onReady);
        throw error;
      });
    }
    return subscribed;
  };

  return {
    publish(studio, event) {
      if (closing.signal.aborted) return;
      let buffer = buffers.get(studio);
      if (buffer === undefined) {
        buffer = new EventBuffer();
        buffers.set(studio, buffer);
      }
      buffer.add(event);
      if (buffer.size >= FLUSH_EVENTS) void flush();
      else timer ??= flushSoon();
    },

    async subscribe(studio, fromId, onEvent, signal) {
      if (signal.aborted || closing.signal.aborted) return;
      await listen();
      if (signal.aborted) return;
      const feed = new EventFeed(redis, studio, onEvent, logger);
      const watchers = feeds.get(studio) ?? new Set();
      feeds.set(studio, watchers.add(feed));
      const end = () => {
        feed.end();
        watchers.delete(feed);
        if (watchers.size === 0 && feeds.get(studio) === watchers) feeds.delete(studio);
      };
      signal.addEventListener('abort', end, { once: true });
      try {
        await feed.start(fromId);
      } catch (error) {
        end();
        throw error;
      }
    },

    async close() {
      closing.abort();
      await timer;
      await flush();
      subscriber.off('message', onMessage);
      subscriber.off('ready', onReady);
    },
  };
}
