import type { Route } from '@karst/shared/protocol/route.ts';
import type { Request, Response } from 'express';
import type { PrincipalOf, RequestContext } from './handler.ts';

/** Requests whose handlers watch their signal: those that wait, stream or copy. */
export type WatchedRequests = Set<AbortController>;

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
    this.#controller?.abort();
  }

  get signal(): AbortSignal {
    if (this.#controller !== undefined) return this.#controller.signal;
    const controller = new AbortController();
    this.#controller = controller;
    if (this.#shutdown.aborted || this.response.closed || this.response.destroyed) {
      controller.abort();
      return controller.signal;
    }
    this.#watched.add(controller);
    this.response.once('close', () => {
      this.#watched.delete(controller);
      if (!this.response.writableFinished) controller.abort();
    });
    return controller.signal;
  }
}
