import { sleep } from '@karst/shared/clock.ts';
import type { Logger } from 'pino';
import type { Metrics } from '../../metrics/metrics.ts';
import type { ObjectStore } from '../../objects/store.ts';
import type { Redis } from '../../store/connection.ts';
import { type Handlers, ProblemError } from '../handler.ts';
import { openApiJson } from '../openapi.ts';

type ServiceHandlers = Pick<Handlers, 'livez' | 'readyz' | 'metrics' | 'openapi'>;

export interface ServiceDeps {
  redis: Redis;
  objects: ObjectStore;
  metrics: Metrics;
  logger: Logger;
  shutdown: AbortSignal;
}

const READY_WITHIN_MS = 2000;

export function serviceHandlers(deps: ServiceDeps): ServiceHandlers {
  const document = openApiJson();
  return {
    async livez() {
      return { status: 'ok' };
    },
    async readyz() {
      if (deps.shutdown.aborted) {
        throw new ProblemError('shutting_down', 'This replica stops; call another one.');
      }
      await Promise.all([
        answersInTime('Redis', () => deps.redis.ping(), deps.logger),
        answersInTime('Object storage', (signal) => deps.objects.ping(signal), deps.logger),
      ]);
      return { status: 'ok' };
    },
    async metrics(_input, { response }) {
      const { contentType, body } = await deps.metrics.text();
      response.writeHead(200, { 'Content-Type': contentType, 'Cache-Control': 'no-store' });
      response.end(body);
    },
    async openapi(_input, { response }) {
      response.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8' });
      response.end(document);
    },
  };
}

async function answersInTime(
  what: string,
  ask: (signal: AbortSignal) => Promise<unknown>,
  logger: Logger,
): Promise<void> {
  const limit = new AbortController();
  const late = sleep(READY_WITHIN_MS, limit.signal).then(
    () => Promise.reject(new Error(`no answer within ${READY_WITHIN_MS} ms`)),
    () => undefined,
  );
  try {
    await Promise.race([ask(limit.signal), late]);
  } catch (error) {
    logger.warn({ err: error, what }, 'not ready');
    throw new ProblemError('store_unavailable', `${what} does not answer.`);
  } finally {
    limit.abort();
  }
}
