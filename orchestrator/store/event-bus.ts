import type { FarmEvent } from '@karst/shared/protocol/event.ts';
import type { StudioId } from '@karst/shared/protocol/ids.ts';
import type { Logger } from 'pino';
import type { Redis } from './connection.ts';
import type { OnEvent } from './event-feed.ts';
import { EventListener } from './event-listener.ts';
import { EventPublisher } from './event-publisher.ts';

/** A studio's events: hints to those who watch, never the truth. */
export interface EventBus {
  /** Never waits and never fails: sent within 50 ms; after an outage watchers get a `reset`. */
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

/** `subscriber`: a connection of its own; the bus puts it into subscriber mode. */
export function createEventBus(redis: Redis, subscriber: Redis, logger: Logger): EventBus {
  const publisher = new EventPublisher(redis, logger);
  const listener = new EventListener(redis, subscriber, logger);
  return {
    publish: (studio, event) => publisher.publish(studio, event),
    subscribe: (studio, fromId, onEvent, signal) =>
      listener.subscribe(studio, fromId, onEvent, signal),
    async close() {
      listener.close();
      await publisher.close();
    },
  };
}
