import type { Route } from '@karst/shared/protocol/route.ts';
import type { Request, Response } from 'express';
import type { PrincipalOf, RequestContext } from './handler.ts';

/** Requests whose handlers want to hear of their end: those that wait, stream or copy. */
export type WatchedRequests = Set<{ abort(): void }>;

/**
 * One request's context. Its abort signal is made when first looked at: most requests never do, and
 * thousands of listeners on one shutdown signal would cost a scan each.
 */
export class HttpContext<R extends Route> implements RequestContext<R> {
  readonly principal: PrincipalOf<R>;
  readonly requestId: string;
  readonly idempotencyKey: string | undefined;
  readonly request: Request;
  readonly response: Response;
  readonly #watched: WatchedRequests;
  readonly #shutdown: AbortSignal;
  #controller: AbortController | undefined;
  #gone: (() => void)[] | undefined;
  #isGone = false;

  constructor(
    principal: PrincipalOf<R>,
    requestId: string,
    idempotencyKey: string | undefined,
    request: Request,
    response: Response,
    watched: WatchedRequests,
    shutdown: AbortSignal,
  ) {
    this.principal = principal;
    this.requestId = requestId;
    this.idempotencyKey = idempotencyKey;
    this.request = request;
    this.response = response;
    this.#watched = watched;
    this.#shutdown = shutdown;
  }

  /** Ends what the handler waits for or streams. */
  abort(): void {
    this.#isGone = true;
    this.#watched.delete(this);
    const listeners = this.#gone ?? [];
    this.#gone = [];
    for (const listener of listeners) listener();
  }

  onGone(listener: () => void): void {
    if (this.#isGone || this.#shutdown.aborted || this.response.destroyed) listener();
    else if (this.#gone !== undefined) this.#gone.push(listener);
    else {
      this.#gone = [listener];
      this.#watched.add(this);
      this.response.once('close', () => {
        if (this.response.writableFinished) this.#watched.delete(this);
        else this.abort();
      });
    }
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController();
      this.#controller = controller;
      this.onGone(() => controller.abort());
    }
    return this.#controller.signal;
  }
}
