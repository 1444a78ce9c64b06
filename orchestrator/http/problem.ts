import {
  type FieldError,
  type Problem,
  type ProblemCode,
  problemCatalogue,
} from '@karst/shared/protocol/problem.ts';
import type { Response } from 'express';
import type { Logger } from 'pino';
import { ObjectStoreUnavailableError } from '../objects/errors.ts';
import { networkCodes } from '../store/network-codes.ts';
import { ProblemError } from './handler.ts';

/** Seconds after which a retryable problem is worth another try. */
const RETRY_AFTER_SECONDS = 2;

/** What Redis answers, and ioredis says, while commands can't be served. */
const redisOutage =
  /^(MISCONF|OOM|READONLY|LOADING|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|NOREPLICAS|BUSY|Connection is closed|Command timed out|Command aborted|Stream isn't writeable|Reached the max retries)/;

/** Whether the failure is Redis or storage being away or full: the same call may succeed later. */
export function isStoreOutage(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; depth++) {
    if (cause instanceof ObjectStoreUnavailableError) return true;
    if ('code' in cause && typeof cause.code === 'string' && networkCodes.has(cause.code)) {
      return true;
    }
    if (redisOutage.test(cause.message)) return true;
    cause = cause.cause;
  }
  return false;
}

function toProblemError(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof ObjectStoreUnavailableError && error.isFull) {
    return new ProblemError('store_unavailable', 'Object storage is full.');
  }
  if (isStoreOutage(error)) {
    return new ProblemError('store_unavailable', 'Redis or object storage does not answer.');
  }
  if (error instanceof URIError) {
    return new ProblemError('invalid_request', 'The path is not valid percent-encoding.');
  }
  return new ProblemError(
    'internal',
    'Something went wrong. The log tells what, by this instance.',
  );
}

/** The RFC 9457 body of one failure. */
export function problemBody(
  code: ProblemCode,
  detail: string,
  errors: readonly FieldError[],
  requestId: string,
): Problem {
  const { status, title, retryable } = problemCatalogue[code];
  return {
    type: `urn:karst:problem:${code}`,
    title,
    status,
    detail,
    instance: requestId,
    code,
    retryable,
    ...(errors.length === 0 ? {} : { errors: [...errors] }),
  };
}

/**
 * Answers a failure: the only mapper from errors to `application/problem+json`. Causes are logged,
 * never sent. Answers the status it sent.
 */
export function sendProblem(
  response: Response,
  error: unknown,
  requestId: string,
  logger: Logger,
  headers: Record<string, string> = {},
): number {
  const problem = toProblemError(error);
  const { status, retryable } = problemCatalogue[problem.code];
  if (problem.code === 'internal') {
    logger.error({ err: error, requestId }, 'request failed');
  } else if (problem.code === 'store_unavailable') {
    logger.warn({ err: error, requestId }, 'store unavailable');
  }
  if (response.headersSent) {
    // A stream broke half-way: only the missing end can tell.
    response.destroy();
    return status;
  }
  const body = JSON.stringify(problemBody(problem.code, problem.detail, problem.errors, requestId));
  response.writeHead(status, {
    'Content-Type': 'application/problem+json',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'X-Request-Id': requestId,
    ...(status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}),
    ...(retryable ? { 'Retry-After': String(RETRY_AFTER_SECONDS) } : {}),
    ...headers,
  });
  response.end(body);
  return status;
}
