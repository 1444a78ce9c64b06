import { type FarmEvent, farmEventSchema } from '@karst/shared/protocol/event.ts';
import type { StudioId } from '@karst/shared/protocol/ids.ts';
import type { Logger } from 'pino';
import type { Redis } from './connection.ts';
import { keys } from './keys.ts';

export type OnEvent = (id: string, event: FarmEvent) => void;
/** One event of a stream with its id there. */
export type Entry = readonly [id: string, event: FarmEvent];

/** Undefined for what this version does not know: a newer replica may publish more. */
export function parseEntry(id: string, json: string): Entry | undefined {
  const event = farmEventSchema.safeParse(JSON.parse(json));
  return event.success ? [id, event.data] : undefined;
}

const READ_EVENTS = 1000;
/** What may come in while the stream is read back; beyond it, a second reading gets the rest. */
const WAITING_ENTRIES_MAX = 10_000;
const NOTHING_YET = '0-0';

/**
 * One watcher's way through a studio's stream: reads back from where it left off, then follows what
 * the channel brings. `lastId` only grows, so whatever comes twice is passed on once.
 */
export class EventFeed {
  readonly #redis: Redis;
  readonly #stream: string;
  readonly #onEvent: OnEvent;
  readonly #logger: Logger;
  #lastId = NOTHING_YET;
  /** What came in while the stream is being read back; undefined while following. */
  #waiting: Entry[] | undefined = [];
  #ended = false;

  constructor(redis: Redis, studio: StudioId, onEvent: OnEvent, logger: Logger) {
    this.#redis = redis;
    this.#stream = keys.studioEvents(studio);
    this.#onEvent = onEvent;
    this.#logger = logger;
  }

  async start(fromId: string | undefined): Promise<void> {
    const newest = (await this.#redis.xrevrange(this.#stream, '+', '-', 'COUNT', 1))[0]?.[0];
    if (fromId === undefined) {
      this.#lastId = newest ?? NOTHING_YET;
    } else if (await this.#isKept(fromId, newest)) {
      this.#lastId = fromId;
    } else {
      this.#lastId = newest ?? NOTHING_YET;
      this.#onEvent(this.#lastId, { type: 'reset' });
    }
    await this.#readBack();
  }

  receive(entries: readonly Entry[]): void {
    if (this.#waiting === undefined) {
      for (const entry of entries) this.#pass(entry);
    } else if (this.#waiting.length < WAITING_ENTRIES_MAX) {
      this.#waiting.push(...entries);
    }
  }

  /** The channel was away for a while. */
  catchUp(): void {
    if (this.#waiting !== undefined || this.#ended) return;
    this.#waiting = [];
    this.#readBack().catch((error: unknown) => {
      // The next reconnect tries again; until then the feed follows the channel.
      this.#logger.warn({ err: error }, 'events could not be read back');
      this.#follow();
    });
  }

  end(): void {
    this.#ended = true;
  }

  /** Whether nothing after `id` has been trimmed. An id from before Redis lost its data is not kept. */
  async #isKept(id: string, newest: string | undefined): Promise<boolean> {
    if (newest === undefined || isAfter(id, newest)) return false;
    const oldest = (await this.#redis.xrange(this.#stream, '-', '+', 'COUNT', 1))[0]?.[0];
    return oldest !== undefined && !isAfter(oldest, id);
  }

  async #readBack(): Promise<void> {
    for (;;) {
      const entries = await this.#redis.xrange(
        this.#stream,
        `(${this.#lastId}`,
        '+',
        'COUNT',
        READ_EVENTS,
      );
      for (const [id, fields] of entries) {
        const entry = parseEntry(id, fields[1] ?? '{}');
        if (entry !== undefined) this.#pass(entry);
        this.#lastId = id;
      }
      if (this.#ended) return;
      const overrun = (this.#waiting?.length ?? 0) >= WAITING_ENTRIES_MAX;
      if (overrun) this.#waiting = [];
      else if (entries.length < READ_EVENTS) break;
    }
    this.#follow();
  }

  #follow(): void {
    const entries = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const entry of entries) this.#pass(entry);
  }

  #pass([id, event]: Entry): void {
    if (this.#ended || !isAfter(id, this.#lastId)) return;
    this.#lastId = id;
    this.#onEvent(id, event);
  }
}

/** Stream ids `<ms>-<seq>` in the order of the stream. */
function isAfter(id: string, other: string): boolean {
  const [ms = 0, seq = 0] = id.split('-').map(Number);
  const [otherMs = 0, otherSeq = 0] = other.split('-').map(Number);
  return ms > otherMs || (ms === otherMs && seq > otherSeq);
}
