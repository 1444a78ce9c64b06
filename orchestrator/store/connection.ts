import { Redis } from 'ioredis';
import type { Logger } from 'pino';

/**
 * Opens a Redis connection that survives restarts of the server. Commands fail after
 * `commandTimeoutMs` rather than hang, so that a request can be answered 503.
 */
export function connectRedis(url: string, logger: Logger, name: string): Redis {
  const redis = new Redis(url, {
    connectionName: `karst-${name}`,
    maxRetriesPerRequest: null,
    enableOfflineQueue: true,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 5), 1000),
    lazyConnect: true,
  });
  // Without a listener ioredis prints to the console; each outage is logged once per try.
  redis.on('error', (error: Error) => logger.warn({ err: error.message, name }, 'redis error'));
  return redis;
}
