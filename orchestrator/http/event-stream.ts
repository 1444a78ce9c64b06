import { sleep } from '@karst/shared/clock.ts';
import type { Response } from 'express';

/** A watcher that has not taken this much of what we wrote is dropped: it can resume. */
const UNREAD_BYTES_MAX = 1024 * 1024;
const HEARTBEAT_MS = 15_000;
/** Clients reconnect after this long. */
const RETRY_MS = 2000;

export interface EventStream {
  /** Sends the head, if nothing did yet: from now on the watcher misses nothing. */
  open(): void;
  send(id: string, type: string, data: unknown): void;
  /** Aborts when the watcher is gone, was dropped, or we shut down. */
  readonly signal: AbortSignal;
  /** Resolves when `signal` aborts. */
  ended(): Promise<void>;
  end(): void;
}

/**
 * A server-sent event stream on `response`, which stays untouched until the stream is opened or
 * something is sent. `signal`: the request's. Comments every 15 s keep
 * proxies from ending it and let both sides notice that the other is gone.
 */
export function createEventStream(response: Response, signal: AbortSignal): EventStream {
  const ending = new AbortController();
  const ended = AbortSignal.any([signal, ending.signal]);
  const write = (text: string) => {
    if (ended.aborted) return;
    response.write(text);
    if (response.writableLength > UNREAD_BYTES_MAX) {
      ending.abort();
      response.destroy();
    }
  };
  const beat = async () => {
    while (!ended.aborted) {
      await sleep(HEARTBEAT_MS, ended).catch(() => undefined);
      write(': still here\n\n');
    }
  };
  const open = () => {
    if (response.headersSent || ended.aborted) return;
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      'X-Accel-Buffering': 'no',
    });
    write(`retry: ${RETRY_MS}\n\n`);
    void beat();
  };
  return {
    open,
    send(id, type, data) {
      open();
      write(`id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
    },
    signal: ended,
    ended: () =>
      new Promise((resolve) => {
        if (ended.aborted) resolve();
        else ended.addEventListener('abort', () => resolve(), { once: true });
      }),
    end() {
      ending.abort();
      if (!response.writableEnded) response.end();
    },
  };
}
