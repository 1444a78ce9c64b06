import { type Clock, sleep } from '@karst/shared/clock.ts';
import type { Route, RouteInput } from '@karst/shared/protocol/route.ts';
import type { Random } from '@karst/shared/random.ts';
import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Metrics } from '../metrics/metrics.ts';
import { ClientGoneError, readJsonBody } from './body.ts';
import { type Handler, type Principal, type PrincipalOf, ProblemError } from './handler.ts';
import { parsePart } from './parse.ts';
import { sendProblem } from './problem.ts';
import { HttpContext, type WatchedRequests } from './request-context.ts';

/** Who calls, or throws ProblemError unauthenticated or forbidden. */
export type Authenticate = (route: Route, request: Request) => Principal | Promise<Principal>;

export interface EndpointDeps {
  authenticate: Authenticate;
  logger: Logger;
  metrics: Metrics;
  clock: Clock;
  random: Random;
  shutdown: AbortSignal;
  watched: WatchedRequests;
  /** For tests: a handler's answer that its schema refuses becomes an internal error. */
  validateResponses: boolean;
}

/** With the time that keys are cached, under the ten seconds in which a revocation must reach all. */
const ACCESS_CHECK_MS = 3000;

const idempotencyKeySchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/, 'expected 1 to 200 visible ASCII characters');

/**
 * One route as a request listener: access, parsing, the handler, the answer. It is the whole way of a
 * request; there is no middleware besides it, since a sync must cost as little as possible.
 */
export function createEndpoint<R extends Route>(
  route: R,
  handler: Handler<R>,
  bodyBytesMax: number,
  deps: EndpointDeps,
): (request: Request, response: Response) => Promise<void> {
  const parse = createParser(route, bodyBytesMax);
  const responseSchema = route.response instanceof z.ZodType ? route.response : undefined;
  const { authenticate, clock, metrics, random, shutdown, watched, logger } = deps;

  return async (request, response) => {
    const startedMs = clock.monotonicMs();
    const requestId = random.uuid();
    let status = route.status;
    try {
      if (shutdown.aborted && route.access.kind !== 'public') {
        throw shuttingDown();
      }
      if (request.method === 'HEAD' && responseSchema === undefined) {
        throw new ProblemError('method_not_allowed', 'This route streams: use GET.');
      }
      const principal = await authenticate(route, request);
      const input = await parse(request);
      const context = new HttpContext<R>(
        // The authenticator answers the principal of the route's own access kind.
        principal as PrincipalOf<R>,
        requestId,
        idempotencyKey(request),
        request,
        response,
        watched,
        shutdown,
      );
      if (responseSchema === undefined) void watchAccess(route, context, authenticate);
      const output: unknown = await handler(input, context);
      if (responseSchema === undefined) {
        if (!response.writableEnded) response.end();
        status = response.statusCode;
      } else {
        if (deps.validateResponses) z.parse(responseSchema, output);
        sendJson(response, route.status, output, requestId, shutdown.aborted);
      }
    } catch (error) {
      if (error instanceof ClientGoneError || response.destroyed) {
        status = 499;
      } else {
        const told = stopped(error, shutdown) ? shuttingDown() : error;
        status = sendProblem(response, told, requestId, logger, closing(error, shutdown));
      }
    }
    metrics.httpRequest(route.path, route.method, status, clock.monotonicMs() - startedMs);
  };
}

/**
 * Streams may last for hours: a key revoked meanwhile must end them too. An outage doesn't, since
 * nothing says that the key is bad.
 */
async function watchAccess<R extends Route>(
  route: R,
  context: HttpContext<R>,
  authenticate: Authenticate,
): Promise<void> {
  if (route.access.kind !== 'studio') return;
  const { request, response } = context;
  const over = new AbortController();
  response.once('close', () => over.abort());
  for (;;) {
    await sleep(ACCESS_CHECK_MS, over.signal).catch(() => undefined);
    if (over.signal.aborted) return;
    try {
      await authenticate(route, request);
    } catch (error) {
      if (error instanceof ProblemError) context.abort();
    }
  }
}

const shuttingDown = () =>
  new ProblemError('shutting_down', 'This replica stops; call another one.');

/** A handler that gave up because its signal aborted. */
const stopped = (error: unknown, shutdown: AbortSignal): boolean =>
  shutdown.aborted && error instanceof Error && error.name === 'AbortError';

/** Connections that must not be used again: the rest of a large body is on its way, or we stop. */
function closing(error: unknown, shutdown: AbortSignal): Record<string, string> {
  const tooLarge = error instanceof ProblemError && error.code === 'payload_too_large';
  return tooLarge || shutdown.aborted ? { Connection: 'close' } : {};
}

function createParser<R extends Route>(
  route: R,
  bodyBytesMax: number,
): (request: Request) => Promise<RouteInput<R>> {
  const { params, body } = route;
  // Unknown query parameters are refused by name, except by probes, which may be called with any.
  const query = route.access.kind === 'public' ? route.query : route.query.strict();
  const hasParams = Object.keys(params.shape).length > 0;
  const emptyQuery = parseEmpty(query);
  return async (request) => {
    const input = {
      params: hasParams ? parsePart(params, request.params, 'params') : {},
      query:
        emptyQuery !== undefined && !request.url.includes('?')
          ? emptyQuery
          : parsePart(query, request.query, 'query'),
      body:
        body === null
          ? undefined
          : parsePart(body, await readJsonBody(request, bodyBytesMax), 'body'),
    };
    // Each part was parsed by the schema that RouteInput infers its type from.
    return input as RouteInput<R>;
  };
}

/** What a call without a query string gets; undefined when the route demands parameters. */
function parseEmpty(query: z.ZodObject): Readonly<Record<string, unknown>> | undefined {
  const result = query.safeParse({});
  return result.success ? Object.freeze(result.data) : undefined;
}

function idempotencyKey(request: Request): string | undefined {
  const value = request.headers['idempotency-key'];
  if (value === undefined) return undefined;
  return parsePart(
    z.object({ 'idempotency-key': idempotencyKeySchema }),
    { 'idempotency-key': value },
    'headers',
  )['idempotency-key'];
}

function sendJson(
  response: Response,
  status: number,
  value: unknown,
  requestId: string,
  close: boolean,
): void {
  const body = JSON.stringify(value);
  const headers = [
    'Content-Type',
    'application/json; charset=utf-8',
    'Content-Length',
    String(Buffer.byteLength(body)),
    'Cache-Control',
    'no-store',
    'X-Content-Type-Options',
    'nosniff',
    'X-Request-Id',
    requestId,
  ];
  if (close) headers.push('Connection', 'close');
  response.writeHead(status, headers);
  response.end(body);
}
